"""A request with a deadline is answered by then, and fresh ads are drawn behind."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adloom.loop import home
from adloom.loop.catalogue.creatives.erasing import erase_ads
from adloom.loop.catalogue.creatives.reviewing import judge
from adloom.loop.catalogue.creatives.store import Creative
from adloom.loop.database.opening import open_database
from adloom.loop.serving.app import create_app
from adloom.loop.settings import Settings
from tests.loop_parts import keep_shop_ads, register_adapter, send_clicks, tiny_settings

pytestmark = pytest.mark.slow
_PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("in-time")
    pool = {"refresh_seconds": 0.2}
    return tiny_settings(folder, serve={"follow_seconds": 0.2}, pool=pool)


@pytest.fixture(scope="module")
def shop_ads(settings: Settings) -> list[Creative]:
    creatives = home.open_creatives(settings)
    kept = keep_shop_ads(creatives, 3)
    creatives.close()
    return kept


@pytest.fixture(scope="module")
def client(settings: Settings, shop_ads: list[Creative]) -> Iterator[TestClient]:
    with TestClient(create_app(settings)) as client:
        yield client


def ask(client: TestClient, product: str, ms: int | None = 1, **told: Any) -> dict[str, Any]:
    headers = told.pop("headers", {})
    body = {"user_id": "nobody", "product_id": product, "deadline_ms": ms, **told}
    answer = client.post("/v1/ads", json=body, headers=headers)
    given: dict[str, Any] = answer.raise_for_status().json()
    return given


def until(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not (value := found()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)
    return value


def pooled(client: TestClient, product: str, **told: Any) -> dict[str, Any]:
    """The first answer of the pool for a product: one is drawn behind until then."""

    def found() -> dict[str, Any] | None:
        ad = ask(client, product, **told)
        return ad if ad["source"] == "pool" else None

    answer: dict[str, Any] = until(found)
    return answer


def test_a_cold_pool_answers_with_the_shops_own_ad_and_the_next_with_what_was_drawn_behind(
    client: TestClient, shop_ads: list[Creative], settings: Settings
) -> None:
    product = shop_ads[0].product_id
    first = ask(client, product)
    theirs = {ad.ad_id for ad in shop_ads if ad.product_id == product}
    assert (first["source"], first["ad_id"] in theirs) == ("shop", True)
    later = pooled(client, product)
    assert (later["fit"], later["variant"], later["model_version"]) == (None, "champion", "1")
    assert later["title_source"] is None
    assert client.get(later["picture_url"]).status_code == 200
    log = home.open_log(settings)

    def shown() -> list[dict[str, Any]]:
        rows = log.read("exposure")
        told = [json.loads(context) for context in rows[rows["ad_id"] == later["ad_id"]]["context"]]
        return [one for one in told if one["source"] == "pool"]

    context = until(shown)[0]
    log.close()
    assert "fit" not in context  # of who clicked nothing, nobody can tell
    assert 0 < context["choice"]["propensity"] <= 1
    assert context["choice"]["among"] >= 1


def test_a_product_without_ads_is_shown_by_its_own_picture(client: TestClient) -> None:
    ad = ask(client, "coffee-mug", inline_picture=True)
    assert ad["source"] == "shop"
    assert ad["picture_png"]
    again = ask(client, "coffee-mug")
    assert again["source"] in ("shop", "pool")
    if again["source"] == "shop":
        assert again["ad_id"] == ad["ad_id"]


def test_with_time_enough_the_ad_is_drawn(client: TestClient) -> None:
    ad = ask(client, "straw-hat", 60_000)
    assert (ad["source"], ad["age_seconds"], ad["fit"]) == ("drawn", 0, None)
    assert pooled(client, "straw-hat")["ad_id"]  # and joins the pool


def test_a_banned_ad_is_not_shown_from_the_next_request_on(
    client: TestClient, settings: Settings
) -> None:
    shown = pooled(client, "wrist-watch")
    engine = open_database(settings.home, settings.database)
    judge(engine, [shown["ad_id"]], "banned", why="a test", by="Ann")
    engine.dispose()
    for _ in range(5):
        assert ask(client, shown["product_id"])["ad_id"] != shown["ad_id"]


def test_more_are_drawn_for_who_clicked_nothing_until_there_are_some(
    client: TestClient, settings: Settings
) -> None:
    shown = {pooled(client, "wax-candle")["ad_id"]}

    def several() -> bool:
        shown.add(ask(client, "wax-candle")["ad_id"])
        return len(shown) >= 4

    until(several)


def test_a_product_whose_own_ad_is_banned_is_not_shown_by_it(
    client: TestClient, settings: Settings
) -> None:
    def of_product() -> dict[str, Any] | None:
        ad = ask(client, "mixing-bowl")
        return ad if ad["source"] == "shop" else None

    own = of_product()
    assert own is not None
    engine = open_database(settings.home, settings.database)
    judge(engine, [own["ad_id"]], "banned", why="a test", by="Ann")
    engine.dispose()
    assert ask(client, "mixing-bowl", 1)["ad_id"] != own["ad_id"]


@pytest.mark.parametrize("gone", ["banned", "erased"])
@pytest.mark.parametrize("ms", [1, None])
def test_a_request_that_comes_again_gets_another_where_its_ad_may_be_shown_no_more(
    client: TestClient, settings: Settings, gone: str, ms: int | None
) -> None:
    key = {"Idempotency-Key": f"sent-again-{gone}-{ms}"}
    pooled(client, "school-backpack")
    first = ask(client, "school-backpack", headers=key)
    engine = open_database(settings.home, settings.database)
    if gone == "banned":
        judge(engine, [first["ad_id"]], "banned", why="a test", by="Ann")
    else:
        erase_ads(engine, home.open_creatives(settings).pictures, [first["ad_id"]])
    engine.dispose()
    second = ask(client, "school-backpack", ms, headers=key)
    assert second["ad_id"] != first["ad_id"]
    assert ask(client, "school-backpack", headers=key)["ad_id"] == second["ad_id"]


def clicks_all(client: TestClient, user: str, ads: list[Creative]) -> None:
    """And the server knows of it."""
    send_clicks(client, user, ads)
    until(lambda: ask(client, "salt-shaker", None, user_id=user)["personalised"])


def test_what_was_drawn_for_the_same_clicks_is_drawn_again_where_it_was_banned(
    client: TestClient, shop_ads: list[Creative], settings: Settings
) -> None:
    clicks_all(client, "yan", shop_ads)
    until(lambda: ask(client, "ceramic-teapot", user_id="yan")["fit"] is not None)
    drawn = ask(client, "ceramic-teapot", 60_000, user_id="yan")
    for _ in range(3):  # whatever its fit, it would be no better
        assert ask(client, "ceramic-teapot", 60_000, user_id="yan")["source"] == "pool"
    engine = open_database(settings.home, settings.database)
    creatives = home.open_creatives(settings)
    ads = [
        ad.ad_id for ad in creatives.page(product_id="ceramic-teapot") if ad.variant != "product"
    ]
    judge(engine, ads, "banned", why="a test", by="Ann")
    creatives.close()
    engine.dispose()
    anew = ask(client, "ceramic-teapot", 60_000, user_id="yan")
    assert (anew["source"], anew["ad_id"] in {*ads, drawn["ad_id"]}) == ("drawn", False)


def test_who_asks_for_what_anyone_gets_is_not_given_what_is_drawn_for_them(
    client: TestClient, shop_ads: list[Creative]
) -> None:
    clicks_all(client, "zoe", shop_ads)
    ask(client, "salt-shaker", user_id="zoe")  # one is drawn behind
    anyones = ask(client, "salt-shaker", 60_000, user_id="zoe", personalise=False)
    assert (anyones["personalised"], anyones["history"]) == (False, [])


def test_a_request_that_comes_again_gets_the_same_ad(client: TestClient) -> None:
    key = {"Idempotency-Key": "sent-again-1"}
    first = ask(client, "running-shoes", headers=key)
    pooled(client, "running-shoes")
    again = ask(client, "running-shoes", headers=key)
    assert (again["ad_id"], again["source"]) == (first["ad_id"], first["source"])


def test_a_new_version_draws_its_own(client: TestClient, settings: Settings) -> None:
    before = pooled(client, "rain-umbrella")
    registry = home.open_registry(settings)
    number = register_adapter(settings, registry, "newer")
    registry.promote(number)
    try:
        product = before["product_id"]
        versions: list[str] = []  # until one is drawn by it, one of the former is better than none

        def newer() -> bool:
            ad = ask(client, product)
            assert ad["source"] == "pool"
            versions.append(ad["model_version"])
            return versions[-1] == str(number)

        until(newer)
        assert versions[0] == "1"
    finally:
        registry.promote(1)


@pytest.mark.parametrize("deadline", [0, -5, 60_001, "soon"])
def test_a_deadline_that_is_none_is_refused_by_name(client: TestClient, deadline: object) -> None:
    body = {"user_id": "ann", "product_id": "running-shoes", "deadline_ms": deadline}
    answer = client.post("/v1/ads", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "deadline_ms"]


def test_without_a_deadline_every_ad_is_drawn(client: TestClient) -> None:
    ad = ask(client, "running-shoes", None)
    assert ad["source"] == "drawn"
