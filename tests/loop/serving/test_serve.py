"""The ad server over a real broker, feature store and registry."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from adloom.loop import home
from adloom.loop.catalogue.creatives.reviewing import judge
from adloom.loop.serving.app import create_app
from adloom.loop.settings import Settings
from tests.loop_parts import keep_shop_ads, register_adapter, tiny_settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return tiny_settings(tmp_path_factory.mktemp("serve"), serve={"follow_seconds": 0.2})


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    creatives = home.open_creatives(settings)
    keep_shop_ads(creatives, 3)
    creatives.close()
    with TestClient(create_app(settings)) as client:
        yield client


def wanted(**changes: object) -> dict[str, object]:
    return {"user_id": "ann", "product_id": "running-shoes", "seed": 7, **changes}


def test_an_unknown_shopper_gets_an_unpersonalised_ad(client: TestClient) -> None:
    answer = client.post("/v1/ads", json=wanted(user_id="nobody", inline_picture=True))
    assert answer.status_code == 200
    ad = answer.json()
    assert ad["personalised"] is False
    assert ad["history"] == []
    assert (ad["variant"], ad["model_version"]) == ("champion", "1")
    picture = Image.open(io.BytesIO(base64.b64decode(ad["picture_png"])))
    assert picture.size == (512, 512)
    fetched = client.get(ad["picture_url"])
    shown = Image.open(io.BytesIO(fetched.content))
    assert (shown.format, fetched.headers["content-type"]) == ("WEBP", "image/webp")
    assert np.abs(np.asarray(shown, float) - np.asarray(picture, float)).mean() < 3
    assert "immutable" in fetched.headers["cache-control"]
    seen = {"if-none-match": fetched.headers["etag"]}
    assert client.get(ad["picture_url"], headers=seen).status_code == 304
    assert client.get(ad["picture_url"], headers={"if-none-match": "*"}).status_code == 304
    unknown = f"/v1/pictures/{'0' * 64}.webp"
    assert client.get(unknown, headers={"if-none-match": "*"}).status_code == 404


def test_the_same_seed_draws_the_same_ad(client: TestClient) -> None:
    first, second = (client.post("/v1/ads", json=wanted()).json() for _ in range(2))
    assert first["ad_id"] != second["ad_id"]
    assert first["picture_url"] == second["picture_url"]
    assert first["title"] == second["title"]


def test_a_request_that_is_sent_again_gets_the_same_ad_and_shows_it_once(
    client: TestClient, settings: Settings
) -> None:
    def ask(key: str, **changes: object) -> dict[str, Any]:
        body = wanted(user_id="again", seed=None, inline_picture=True, **changes)
        answer = client.post("/v1/ads", json=body, headers={"Idempotency-Key": key})
        told: dict[str, Any] = answer.raise_for_status().json()
        return told

    first, again, other = ask("a-lost-answer"), ask("a-lost-answer"), ask("another-one")
    assert first == again
    assert other["ad_id"] != first["ad_id"]
    ask("a-third-one")
    log = home.open_log(settings)

    def shown() -> list[str]:
        events = log.read("exposure")
        return list(events[events["user_id"] == "again"]["ad_id"])

    deadline = time.monotonic() + 60
    while len(ads := shown()) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert (len(ads), len(set(ads)), ads.count(first["ad_id"])) == (3, 3, 1)
    for key in ("short", "x" * 129, "with a space"):
        answer = client.post("/v1/ads", json=wanted(), headers={"Idempotency-Key": key})
        assert answer.status_code == 422


@pytest.mark.parametrize("deadline", [None, 5_000])
def test_a_key_that_comes_with_another_request_is_refused(
    client: TestClient, deadline: int | None
) -> None:
    def ask(**changes: object) -> Any:
        body = wanted(user_id="keyed", seed=None, deadline_ms=deadline) | changes
        key = {"Idempotency-Key": f"used-again-{deadline}"}
        return client.post("/v1/ads", json=body, headers=key)

    first = ask().raise_for_status().json()
    for other in ({"user_id": "bob"}, {"product_id": "coffee-mug"}, {"personalise": False}):
        refused = ask(**other)
        assert refused.status_code == 422
        [problem] = refused.json()["detail"]
        assert problem["loc"] == ["header", "Idempotency-Key"]
        assert "came with another request before" in problem["msg"]
    assert ask(inline_picture=True).json()["ad_id"] == first["ad_id"]  # of the same ad


def test_an_ad_of_a_mail_counts_once_the_shop_says_that_it_was_shown(
    client: TestClient, settings: Settings
) -> None:
    unopened, opened = (
        client.post("/v1/ads", json=wanted(user_id="reader", log_exposure=False)).json()
        for _ in range(2)
    )
    page = f"/v1/exposures/{opened['exposure_id']}"
    at = datetime.now(UTC).isoformat()
    first = client.post(page, json={"ts": at})
    assert (first.status_code, first.json()["ad_id"]) == (202, opened["ad_id"])
    again = client.post(page)
    assert (again.status_code, again.json()) == (202, first.json())
    last = client.post("/v1/ads", json=wanted(user_id="reader")).json()  # counted after the others
    log = home.open_log(settings)

    def shown() -> dict[str, str]:
        events = log.read("exposure")
        events = events[events["user_id"] == "reader"]
        return dict(zip(events["event_id"], events["ad_id"], strict=True))

    deadline = time.monotonic() + 60
    while last["ad_id"] not in shown().values():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert shown() == {ad["exposure_id"]: ad["ad_id"] for ad in (opened, last)}
    waiting = f"/v1/exposures/{unopened['exposure_id']}"
    for ts, told in (("2024-01-01T00:00:00Z", "made only at"), ("2190-01-01T00:00:00Z", "future")):
        refused = client.post(waiting, json={"ts": ts})
        assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["body", "ts"])
        assert told in refused.json()["detail"][0]["msg"]
    nobody = client.post("/v1/exposures/0b6f6a8e-5d5b-4a53-8f0f-2a7f8f1d2c33")
    assert nobody.status_code == 404
    assert "no such exposure is kept" in nobody.json()["detail"][0]["msg"]
    assert client.post("/v1/exposures/ad").status_code == 422


def test_a_click_posted_here_changes_the_next_ad(client: TestClient) -> None:
    click = {
        "event_id": "click-1",
        "ts": datetime.now(UTC).isoformat(),
        "user_id": "clicker",
        "item_id": "running-shoes",
        "ad_id": "shop-0-00001",
    }
    taken = client.post("/v1/events", json={"clicks": [click]})
    assert (taken.status_code, taken.json()) == (202, {"accepted": 1, "dropped": 0})
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        ad = client.post("/v1/ads", json=wanted(user_id="clicker")).json()
        if ad["personalised"]:
            break
        time.sleep(0.2)
    assert [past["ad_id"] for past in ad["history"]] == ["shop-0-00001"]
    anyone, stranger = (
        client.post("/v1/ads", json=wanted(user_id=user, personalise=False)).json()
        for user in ("clicker", "nobody-else")
    )
    assert (anyone["personalised"], anyone["history"], anyone["degraded"]) == (False, [], False)
    assert anyone["title"] == stranger["title"]
    assert anyone["picture_url"] == stranger["picture_url"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"product_id": "running-shoes"}, "user_id"),
        (wanted(user_id=""), "user_id"),
        (wanted(user_id="x" * 200), "user_id"),
        (wanted(seed=-1), "seed"),
        (wanted(colour="red"), "colour"),
    ],
)
def test_a_bad_request_names_the_field(
    client: TestClient, body: dict[str, object], field: str
) -> None:
    answer = client.post("/v1/ads", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", field]


def test_an_unknown_product_is_told(client: TestClient) -> None:
    answer = client.post("/v1/ads", json=wanted(product_id="unicorn"))
    assert answer.status_code == 404
    problem = answer.json()["detail"][0]
    assert problem["loc"] == ["body", "product_id"]
    assert "unicorn" in problem["msg"]


def test_an_event_without_a_user_is_refused_by_field(client: TestClient) -> None:
    answer = client.post("/v1/events", json={"clicks": [{"event_id": "1"}]})
    assert answer.status_code == 422
    assert ["body", "clicks", 0, "user_id"] in [p["loc"] for p in answer.json()["detail"]]


def test_a_huge_body_is_refused(client: TestClient) -> None:
    answer = client.post("/v1/ads", content=b"x" * (2 << 20))
    assert answer.status_code == 413
    pieces = (b"x" * (1 << 19) for _ in range(4))  # of which no header tells the length
    headers = {"content-type": "application/json"}
    assert client.post("/v1/ads", content=pieces, headers=headers).status_code == 413


@pytest.mark.parametrize("kind", ["webp", "png"])
@pytest.mark.parametrize("name", ["0" * 64, "..%2f..%2fsecret", "creatives.db"])
def test_only_stored_pictures_are_shown(client: TestClient, name: str, kind: str) -> None:
    assert client.get(f"/v1/pictures/{name}.{kind}").status_code == 404


def test_the_server_tells_how_it_is(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready", "version": "1"}
    assert "adloom_" in client.get("/metrics").text


def test_a_promoted_version_serves_soon(client: TestClient, settings: Settings) -> None:
    registry = home.registry_with_base(settings)
    version = register_adapter(settings, registry, "fresh")
    registry.promote(version)
    deadline = time.monotonic() + 30
    while client.get("/readyz").json()["version"] != str(version):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert client.post("/v1/ads", json=wanted()).json()["model_version"] == str(version)


def test_what_is_nested_or_too_large_for_the_stream_is_refused(client: TestClient) -> None:
    nested = "[" * 100_000
    assert client.post("/v1/events", content=nested).status_code == 422
    headers = {"content-type": "application/json"}
    assert client.post("/v1/ads", content=nested, headers=headers).status_code in {400, 422}
    click = {
        "event_id": "large",
        "ts": "2026-01-02T12:00:00Z",
        "user_id": "ann",
        "item_id": "running-shoes",
        "context": {"page": "x" * 70_000},
    }
    refused = client.post("/v1/events", json={"clicks": [click]})
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["body", "clicks", 0]


def test_a_refusal_does_not_repeat_what_was_sent(client: TestClient) -> None:
    body = '{"user_id": "\\ud800", "product_id": ["secret"]}'
    headers = {"content-type": "application/json"}
    refused = client.post("/v1/ads", content=body, headers=headers)
    assert refused.status_code == 422
    assert "secret" not in refused.text


def test_an_ad_is_shown_as_a_card_in_every_format(client: TestClient) -> None:
    ad_id = client.post("/v1/ads", json=wanted(user_id="cards")).json()["ad_id"]
    sizes = {
        "square": (1080, 1080),
        "portrait": (1080, 1350),
        "landscape": (1200, 628),
        "story": (1080, 1920),
    }
    kinds = {"webp": "WEBP", "jpeg": "JPEG", "png": "PNG"}
    for (name, size), (kind, told) in zip(
        sizes.items(), [*kinds.items(), ("webp", "WEBP")], strict=True
    ):
        answer = client.get(f"/v1/ads/{ad_id}/card.{kind}", params={"format": name})
        assert (answer.status_code, answer.headers["content-type"]) == (200, f"image/{kind}")
        with Image.open(io.BytesIO(answer.content)) as card:
            assert (card.format, card.size) == (told, size)
    small = client.get(f"/v1/ads/{ad_id}/card.webp?format=story&banner=false&width=270")
    with Image.open(io.BytesIO(small.content)) as card:
        assert card.size == (270, 480)
    other_site = {"sec-fetch-site": "cross-site", "origin": "https://shop.example"}
    assert client.get(f"/v1/ads/{ad_id}/card.webp", headers=other_site).status_code == 200


def test_a_card_is_kept_until_what_it_says_changes(client: TestClient) -> None:
    picture = io.BytesIO()
    Image.new("RGBA", (60, 90), "teal").save(picture, "PNG")
    cup = {
        "id": "cup",
        "title": "Cup",
        "product_highlight": ["dishwasher safe"],
        "image": base64.b64encode(picture.getvalue()).decode(),
    }

    def sell(price: str) -> None:
        client.post("/v1/products", json={"products": [cup | {"price": price}]}).raise_for_status()

    sell("8.00 EUR")
    ad_id = client.post("/v1/ads", json=wanted(product_id="cup")).json()["ad_id"]
    priced, plain = (f"/v1/ads/{ad_id}/card.webp?width=300&banner={told}" for told in (1, 0))
    first, without_price = client.get(priced), client.get(plain)
    assert first.content == client.get(priced).content
    assert first.headers["cache-control"] == "public, max-age=300"
    seen = {"if-none-match": first.headers["etag"]}
    unchanged = client.get(priced, headers=seen)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    weak = {"if-none-match": f'"another", W/{first.headers["etag"]}'}
    assert client.get(priced, headers=weak).status_code == 304
    sell("6.50 EUR")
    changed = client.get(priced, headers=seen)
    assert changed.status_code == 200
    assert changed.content != first.content
    seen = {"if-none-match": without_price.headers["etag"]}
    assert client.get(plain, headers=seen).status_code == 304


def test_what_may_not_be_shown_has_no_card(client: TestClient, settings: Settings) -> None:
    ad_id = client.post("/v1/ads", json=wanted(user_id="cards")).json()["ad_id"]
    catalogue = home.open_catalogue(settings)
    judge(catalogue.engine, [ad_id], "banned", why="blurred", by="ann")
    catalogue.close()
    for name in (ad_id, "none", "none%2Fat%2Fall", "%00"):
        address = f"/v1/ads/{name}/card.webp"
        refused = client.get(address)
        assert (refused.status_code, refused.headers["cache-control"]) == (404, "no-store")
        assert refused.json()["detail"][0]["loc"] == ["path", "ad_id"]


def test_an_ad_of_the_shops_own_has_a_card_whatever_its_id(
    client: TestClient, settings: Settings
) -> None:
    creatives = home.open_creatives(settings)
    own = creatives.get("shop-0-00002")
    creatives.add([replace(own, ad_id="spring/2026/hero")])
    creatives.close()
    answer = client.get("/v1/ads/spring/2026/hero/card.png?format=landscape&width=400")
    with Image.open(io.BytesIO(answer.content)) as card:
        assert card.size == (400, 209)


def test_a_card_that_cannot_be_is_refused_by_its_field(client: TestClient) -> None:
    ad_id = client.post("/v1/ads", json=wanted(user_id="cards")).json()["ad_id"]
    for query, field in [
        ("format=poster", "format"),
        ("banner=perhaps", "banner"),
        ("width=99", "width"),
        ("width=1201", "width"),
        ("width=1100", "width"),  # a square has fewer
    ]:
        refused = client.get(f"/v1/ads/{ad_id}/card.webp?{query}")
        assert refused.status_code == 422
        assert refused.json()["detail"][0]["loc"] == ["query", field]
    assert client.get(f"/v1/ads/{ad_id}/card.gif").status_code == 422
