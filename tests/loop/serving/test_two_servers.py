"""Two servers of two homes on one state: Postgres, an object store, Redis, a broker and MLflow.

Each shows what the other made, any process may be killed under load, and both may be asked to
forget. `pytest -m long tests/loop/serving/test_two_servers.py --kills 30` kills each of them, in
turn, so often in all.
"""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from sqlalchemy import select

from adloom.feature_store.checking import check_all
from adloom.loop import home
from adloom.loop.catalogue.creatives.store import CreativeStore
from adloom.loop.database import tables
from adloom.stream.broker import LocalBroker
from tests.deployment.accounts import accounts_hold
from tests.deployment.nginx import running_gate
from tests.deployment.parts import running_parts
from tests.deployment.shop import FORGET_KEY, SERVERS, Shop, until
from tests.deployment.shoppers import PRODUCT, Shoppers
from tests.loop_parts import register_adapter
from tests.mlflow_server import MlflowServer
from tests.nginx_process import NoNginx
from tests.postgres_server import PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def shop(
    tmp_path_factory: pytest.TempPathFactory,
    postgres: PostgresServer,
    guarded_mlflow: MlflowServer,
    broker: LocalBroker,
) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    with running_parts(folder, postgres, guarded_mlflow, broker) as parts:
        opened = Shop(folder, parts)
        try:
            opened.until_ready()
            yield opened
        finally:
            opened.close()


def asked(shop: Shop, server: str, method: str, path: str, **given: Any) -> httpx.Response:
    return httpx.request(method, shop.url(server) + path, timeout=90, **given)


def ad(shop: Shop, server: str, user: str, **wanted: Any) -> dict[str, Any]:
    body = {"user_id": user, "product_id": PRODUCT, **wanted}
    told: dict[str, Any] = asked(shop, server, "POST", "/v1/ads", json=body).json()
    return told


def test_each_shows_what_the_other_made(shop: Shop) -> None:
    one, other = SERVERS
    drawn = ad(shop, one, "ann", seed=7)
    here, there = (asked(shop, server, "GET", drawn["picture_url"]) for server in SERVERS)
    assert here.content == there.content
    assert hashlib.sha256(there.content).hexdigest() in drawn["picture_url"]
    assert not list(shop.home_of(other).rglob("*.webp"))
    same = ad(shop, other, "ann", seed=7)
    assert (same["title"], same["picture_url"]) == (drawn["title"], drawn["picture_url"])

    # An ad of a mail: the one drew it, the other hears that it was opened.
    mailed = ad(shop, one, "mia", log_exposure=False)
    opened = asked(shop, other, "POST", f"/v1/exposures/{mailed['exposure_id']}")
    assert opened.status_code == 202, opened.text

    mug = {"id": "two-mug", "title": "Mug of Two", "image": square()}
    sent = asked(shop, one, "POST", "/v1/products", json={"products": [mug]})
    assert sent.json()["new"] == 1, sent.text
    until(lambda: "ad_id" in ad(shop, other, "ann", product_id="two-mug"))
    assert asked(shop, other, "DELETE", "/v1/products/two-mug").status_code == 200
    until(lambda: "ad_id" not in ad(shop, one, "ann", product_id="two-mug"))

    log = home.open_log(shop.settings)
    until(lambda: [mailed["exposure_id"]] == list(of_user(log.read("exposure"), "mia")["event_id"]))
    log.close()

    registry = home.open_registry(shop.settings)
    version = register_adapter(shop.settings, registry, "two")
    registry.promote(version)
    for server in SERVERS:
        until(lambda server=server: ad(shop, server, "bob")["model_version"] == str(version))  # type: ignore[misc]


def test_what_postgres_cannot_keep_is_refused_in_words(shop: Shop) -> None:
    one = SERVERS[0]
    told = asked(shop, one, "GET", "/v1/products/a%00b")
    assert (told.status_code, told.json()["detail"]) == (
        422,
        "a text of the request holds the character NUL: leave it out",
    )
    body = {"user_id": "ann", "product_id": "a\0b"}
    refused = asked(shop, one, "POST", "/v1/ads", json=body)
    assert [part["loc"] for part in refused.json()["detail"]] == [["body", "product_id"]]
    routes = asked(shop, one, "GET", "/openapi.json").json()["paths"]
    told_of = {path: status_of(shop, one, path) for path in with_nul(routes)}
    assert len(told_of) > 10
    assert {path: status for path, status in told_of.items() if status >= 500} == {}


def test_server_and_database_may_be_killed_under_load(shop: Shop) -> None:
    killed_under_load(shop, [SERVERS[0], "postgres"], "shopper")


@pytest.mark.long
def test_any_process_may_be_killed_under_load(shop: Shop, request: pytest.FixtureRequest) -> None:
    each_once = len(shop.names) - 2  # the second server and consumer are as the first
    kills = max(each_once, request.config.getoption("kills"))
    killed_under_load(shop, itertools.islice(itertools.cycle(shop.names), kills), "buyer")


def killed_under_load(shop: Shop, names: Iterable[str], users: str) -> None:
    """One after the other, while people shop who never did; at the end the accounts hold."""
    shoppers = Shoppers(shop)
    with shoppers.shopping(4, users):
        for name in names:
            shoppers.until_more_ads(3)
            shop.kill(name)
            until(
                lambda name=name: shop.tells(name),  # type: ignore[misc]
                what=lambda name=name: f"nobody tells that {name} is away",  # type: ignore[misc]
            )
            shoppers.until_more_answers(8)
            shop.start(name)
            shop.until_ready()
        shoppers.until_more_ads(3)
    assert shoppers.gate.faults == []
    accounts_hold(shop, shoppers)


@pytest.mark.long
def test_both_are_asked_to_forget_at_once(shop: Shop) -> None:
    """The same user and different ones, while others shop."""
    shoppers = Shoppers(shop)
    with shoppers.shopping(4, "going"):
        shoppers.until_each_clicked()
    users = {ad.user for ad in shoppers.shown}
    with home.open_features(shop.settings) as features:
        until(lambda: shoppers.acknowledged <= ids(features.log.read("click")))
        until(
            lambda: {ad.ad_id for ad in shoppers.shown} <= shown_in(features.log.read("exposure"))
        )
    asks = [(SERVERS[0], "going-0"), (SERVERS[0], "going-1")]
    asks += [(SERVERS[1], "going-0"), (SERVERS[1], "going-2")]
    beside = Shoppers(shop)
    with beside.shopping(1, "staying"), ThreadPoolExecutor(len(asks)) as pool:
        answers = list(pool.map(lambda ask: forget(shop, *ask), asks))
        beside.until_more_ads(2)
    assert [answer.status_code for answer in answers] == [200] * len(asks), answers
    found = dict.fromkeys(users, 0)
    for (_, user), answer in zip(asks, answers, strict=True):
        found[user] += answer.json()["events"].get("click", 0)
    clicks = {user: list(shoppers.sent.values()).count(user) for user in users}
    assert found == clicks | {"going-3": 0}
    with home.open_features(shop.settings) as features:
        gone = {user for user, many in found.items() if many}
        assert features.log.of_users(gone) == []
        stats = features.user_stats(users)
        assert {user: stats[user].clicks for user in users} == {
            user: 0 if user in gone else clicks[user] for user in users
        }
        assert check_all(features).differing == 0
    with closing(home.open_creatives(shop.settings)) as creatives:
        ads = creatives.get_many([ad.ad_id for ad in shoppers.shown])
        assert set(ads) == {ad.ad_id for ad in shoppers.shown if ad.user not in gone}
        shown = pictures_of(creatives)  # a small model draws the same twice
    for ad in shoppers.shown:
        for server in SERVERS:
            kept = 200 if ad.picture_url.split("/")[-1].split(".")[0] in shown else 404
            until(
                lambda at=server, ad=ad, kept=kept: status_of(shop, at, ad.picture_url) == kept,  # type: ignore[misc]
                what=lambda at=server, ad=ad: f"{at} shows {ad}",  # type: ignore[misc]
            )
    assert beside.gate.faults == []
    accounts_hold(shop, beside)


def test_behind_the_gate_of_the_compose_file_nobody_sees_a_server_die(
    shop: Shop, tmp_path: Path
) -> None:
    body = {"user_id": "eve", "product_id": PRODUCT}
    servers = [shop.url(server).removeprefix("http://") for server in SERVERS]
    try:
        with running_gate(tmp_path, servers) as gate, ThreadPoolExecutor(6) as pool:
            asks = [
                pool.submit(httpx.post, f"{gate}/v1/ads", json=body, timeout=90) for _ in "a" * 24
            ]
            until(lambda: sum(ask.done() for ask in asks) > 4)
            shop.kill(SERVERS[0])
            answers = [ask.result() for ask in asks]
    except NoNginx as error:
        pytest.skip(str(error))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["ad_id"] for answer in answers}) == len(asks)
    shop.start(SERVERS[0])


def forget(shop: Shop, server: str, user: str) -> httpx.Response:
    key = {"X-API-Key": FORGET_KEY}
    return asked(shop, server, "POST", f"/v1/users/{user}/forget", headers=key)


def with_nul(routes: dict[str, Any]) -> Iterator[str]:
    """Every way to hand a text to what is read by GET."""
    for path, methods in routes.items():
        filled = re.sub(r"{.*?}", "a%00b", path)
        if "{" in path and "get" in methods:
            yield filled
        for one in methods.get("get", {}).get("parameters", []):
            if one["in"] == "query" and "string" in str(one["schema"]):
                yield f"{filled}?{one['name']}=a%00b"


def pictures_of(creatives: CreativeStore) -> set[str]:
    """Names of all pictures that an ad shows."""
    with creatives.engine.connect() as connection:
        return set(connection.execute(select(tables.creatives.c.picture)).scalars())


def status_of(shop: Shop, server: str, path: str) -> int:
    return asked(shop, server, "GET", path).status_code


def ids(events: Any) -> set[str]:
    return set(events["event_id"])


def of_user(events: Any, user: str) -> Any:
    return events[events["user_id"] == user]


def shown_in(events: Any) -> set[str]:
    return set(events["ad_id"])


def square() -> str:
    buffer = io.BytesIO()
    Image.new("RGBA", (80, 80), "navy").crop((-9, -9, 90, 90)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
