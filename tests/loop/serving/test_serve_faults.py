"""Parts fail and versions change while ads are wanted; who asks still gets one."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi.testclient import TestClient

from adloom.feature_store.event_log import LoggedEvent
from adloom.loop import home
from adloom.loop.bench.redis_server import RedisUnavailable, running_redis
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.serving.app import create_app
from adloom.loop.settings import Settings
from adloom.models.brief import AdBrief
from tests.loop.serving.test_serve_experiments import exposures
from tests.loop_parts import (
    generator_of,
    keep_shop_ads,
    register_adapter,
    server_of,
    tiny_settings,
)

AD = {"user_id": "ann", "product_id": "running-shoes", "seed": 7}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return tiny_settings(tmp_path_factory.mktemp("faults"), serve={"follow_seconds": 0.1})


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings)) as client:
        yield client


def test_a_server_on_a_new_home_is_ready_once_it_drew_an_ad(client: TestClient) -> None:
    assert generator_of(server_of(client).maker)._engine is not None
    assert client.get("/readyz").status_code == 200


def test_one_thread_alone_computes_on_all_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others would have OpenMP put its threads to sleep between any two products."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with TestClient(create_app(tiny_settings(tmp_path))) as client:
            generator = server_of(client).maker.generator
            step, threads = generator.step, set()

            def noting() -> None:
                threads.add(torch.get_num_threads())
                step()

            monkeypatch.setattr(generator, "step", noting)
            assert client.post("/v1/ads", json=AD).status_code == 200
            assert threads == {3}
            with ThreadPoolExecutor(1) as pool:
                assert pool.submit(torch.get_num_threads).result() == 1
    finally:
        torch.set_num_threads(before)


def test_an_ad_that_cannot_be_drawn_fails_alone(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = server_of(client)
    draft = server.maker.generator.draft

    def broken(drawn: Any, brief: AdBrief) -> Any:
        if brief.product_name == load_catalog()["wrist-watch"].name:
            raise FloatingPointError("not finite")
        return draft(drawn, brief)

    monkeypatch.setattr(server.maker.generator, "draft", broken)
    with ThreadPoolExecutor(3) as pool:
        products = ["running-shoes", "wrist-watch", "running-shoes"]
        with server.champion.lock:  # so that they are begun together
            asked = [
                pool.submit(client.post, "/v1/ads", json=AD | {"product_id": p}) for p in products
            ]
            time.sleep(0.3)
        answers = [one.result() for one in asked]
    assert [a.status_code for a in answers] == [200, 500, 200]
    assert "could not be drawn" in answers[1].json()["detail"]
    assert "not finite" not in answers[1].text


def test_versions_change_under_load_without_a_failed_request(
    client: TestClient, settings: Settings
) -> None:
    registry = home.registry_with_base(settings)
    first = register_adapter(settings, registry, "fresh")
    under_load = threading.Event()
    with ThreadPoolExecutor(4) as pool:

        def ask_on(user: int) -> list[tuple[int, str]]:
            seen: list[tuple[int, str]] = []
            while not seen or seen[-1][1] != str(first) or len(seen) < 4:
                answer = client.post("/v1/ads", json=AD | {"user_id": f"user-{user}"})
                seen.append((answer.status_code, answer.json().get("model_version", answer.text)))
                under_load.set()
                assert len(seen) < 500
            return seen

        asking = [pool.submit(ask_on, user) for user in range(4)]
        assert under_load.wait(60)
        registry.promote(first)
        answered = [one for each in asking for one in each.result()]
    assert {status for status, _ in answered} == {200}
    assert {version for _, version in answered} == {"1", str(first)}
    assert "version-" in "".join(server_of(client).maker.generator.adapters)
    registry.rollback()
    while client.get("/readyz").json()["version"] != "1":
        time.sleep(0.05)
    assert server_of(client).maker.generator.adapters == ()
    assert client.post("/v1/ads", json=AD).json()["model_version"] == "1"


def test_without_the_feature_store_ads_are_drawn_without_history_and_say_so(
    tmp_path: Path,
) -> None:
    try:
        with running_redis() as redis:
            settings = tiny_settings(
                tmp_path,
                serve={"follow_seconds": 0.1},
                features={"online": "redis", "redis_url": redis.url},
            )
            creatives = home.open_creatives(settings)
            [ad] = keep_shop_ads(creatives, 1)
            creatives.close()
            with TestClient(create_app(settings)) as client:
                click = {
                    "event_id": "click",
                    "ts": "2026-01-02T12:00:00Z",
                    "user_id": "ann",
                    "item_id": ad.product_id,
                    "ad_id": ad.ad_id,
                }
                client.post("/v1/events", json={"clicks": [click]})
                known = _ad_when(client, personalised=True)
                assert known["degraded"] is False

                redis.stop()
                unknown = client.post("/v1/ads", json=AD).json()
                assert (unknown["personalised"], unknown["degraded"]) == (False, True)
                assert unknown["history"] == []
                why = client.post("/studio/api/reasons", json={k: AD[k] for k in list(AD)[:2]})
                assert (why.status_code, why.headers["retry-after"]) == (503, "5")
                assert client.get("/readyz").status_code == 200

                redis.start()
                assert _ad_when(client, personalised=True)["degraded"] is False
                told = exposures(settings, "ad_id", {unknown["ad_id"]})[unknown["ad_id"]]
                assert json.loads(told["context"])["degraded"] is True
    except RedisUnavailable as error:
        pytest.skip(str(error))


def test_a_locked_sqlite_store_holds_up_no_ad(tmp_path: Path) -> None:
    """Whoever writes keeps other writers out; histories are read all the same."""
    settings = tiny_settings(tmp_path)
    creatives = home.open_creatives(settings)
    [ad] = keep_shop_ads(creatives, 1)
    creatives.close()
    moment = datetime(2026, 1, 2, 12, tzinfo=UTC)
    click = LoggedEvent("click", "c", moment, "ann", ad.product_id, "t", 0, 0, ad_id=ad.ad_id)
    with home.open_features(settings) as features:
        features.apply([click])
        database = features.folder / "online.db"
    with (
        TestClient(create_app(settings)) as client,
        closing(sqlite3.connect(database, isolation_level=None)) as other,
    ):
        other.execute("BEGIN EXCLUSIVE")
        answer = client.post("/v1/ads", json=AD).json()
        other.execute("ROLLBACK")
    assert (answer["personalised"], answer["degraded"]) == (True, False)
    assert [past["ad_id"] for past in answer["history"]] == [ad.ad_id]


def _ad_when(client: TestClient, *, personalised: bool) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        ad: dict[str, Any] = client.post("/v1/ads", json=AD).json()
        if ad["personalised"] is personalised:
            return ad
        time.sleep(0.1)
    raise TimeoutError("ads did not become so")


def test_a_catalogue_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    settings = tiny_settings(tmp_path)
    with TestClient(create_app(settings)) as client:
        assert client.get("/readyz").status_code == 200
        with closing(sqlite3.connect(settings.home / "adloom.db")) as database:
            database.execute("DROP TABLE catalogue_revision")
        answer = client.get("/readyz")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert answer.json()["status"] == "not ready"
        assert "adloom.db is damaged" in answer.json()["problems"]["database"]
