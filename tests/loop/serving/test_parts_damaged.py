"""Files are damaged under a running server: it says which and what to do, and draws if it can."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adloom.feature_store.event_log import EventLog
from adloom.loop.database import file_health
from adloom.loop.serving.app import create_app
from adloom.loop.settings import Settings
from tests.damage import a_text, emptied, in_the_middle
from tests.loop_parts import keep_shop_ads, server_of, tiny_settings
from tests.sample_events import logged
from tests.serving_world.files import rebuilt

AD = {"user_id": "ann", "product_id": "running-shoes", "seed": 7}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("damaged")
    return tiny_settings(folder, serve={"follow_seconds": 0.1})


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture(autouse=True)
def _looked_at_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_health, "_CHECK_EVERY_SECONDS", 0.0)
    monkeypatch.setattr("adloom.stream.outages._LONGEST_PAUSE_SECONDS", 0.3)
    monkeypatch.setattr("adloom.stream.membership.running._CHECK_EVERY_SECONDS", 0.3)
    monkeypatch.setattr("adloom.feature_store.sqlite_file._PATIENCE_SECONDS", 0.3)


def when(client: TestClient, so: Callable[[dict[str, Any]], bool]) -> tuple[int, dict[str, Any]]:
    """What `/readyz` answers once it is so."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        answer = client.get("/readyz")
        if so(answer.json()):
            return answer.status_code, answer.json()
        time.sleep(0.05)
    raise TimeoutError(f"/readyz did not become so: {answer.text}")


def becomes_ready(client: TestClient) -> None:
    """Other parts may be late, too, while one is taken away and a machine is loaded."""
    assert when(client, lambda told: told["status"] == "ready")[0] == 200


def click(ad_id: str, product_id: str) -> dict[str, Any]:
    told = {"user_id": "ann", "item_id": product_id, "ad_id": ad_id}
    return {"clicks": [told | {"event_id": ad_id, "ts": datetime.now(UTC).isoformat()}]}


@pytest.mark.parametrize("damage", [a_text, in_the_middle, emptied])
def test_damaged_features_cost_the_history_until_they_are_rebuilt(
    client: TestClient,
    settings: Settings,
    damage: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    [ad] = keep_shop_ads(server_of(client).creatives, 1)
    assert client.post("/v1/events", json=click(ad.ad_id, ad.product_id)).status_code == 202
    deadline = time.monotonic() + 60
    while not client.post("/v1/ads", json=AD).json()["personalised"]:
        assert time.monotonic() < deadline
    file = settings.home / "features" / "online.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damage(file)
    with caplog.at_level(logging.WARNING):
        status, told = when(client, lambda told: "features" in told.get("problems", {}))
        assert (status, told["status"]) == (200, "degraded")
        assert "adloom backfill" in told["problems"]["features"]
        for _ in range(3):
            answer = client.post("/v1/ads", json=AD)
            assert answer.status_code == 200
            # What SQLite has in memory it reads on, as long as the file looks the same.
            assert answer.json()["degraded"] or damage is emptied
        if damage is not emptied:  # that the consumer may not have seen yet
            refused = client.post("/v1/events", json=click("other", ad.product_id))
            assert refused.status_code == 503
            assert "would be lost" in refused.json()["detail"]
    lost = [r for r in caplog.records if "ads are drawn without history" in r.getMessage()]
    assert len(lost) <= 2

    rebuilt(settings)
    becomes_ready(client)
    answer = client.post("/v1/ads", json=AD).json()
    assert (answer["personalised"], answer["degraded"]) == (True, False)
    assert client.post("/v1/events", json=click("after", ad.product_id)).status_code == 202


def test_without_the_database_nothing_is_drawn_and_all_is_well_once_it_is_back(
    client: TestClient, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    file = settings.home / "adloom.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = file.read_bytes()
    a_text(file)
    status, told = when(client, lambda told: "database" in told.get("problems", {}))
    assert (status, told["status"]) == (503, "not ready")
    assert "adloom.db is damaged" in told["problems"]["database"]
    with caplog.at_level(logging.WARNING):
        for n in range(3):
            for asked in (AD, AD | {"product_id": f"other-{n}"}):
                answer = client.post("/v1/ads", json=asked)
                assert answer.status_code == 503
                assert "database of catalogue and creatives" in answer.json()["detail"]
    assert len([r for r in caplog.records if "a part is away" in r.getMessage()]) == 1
    for ending in ("-wal", "-shm"):
        file.with_name(file.name + ending).unlink(missing_ok=True)
    copy = file.with_name("copy.db")
    copy.write_bytes(whole)
    copy.replace(file)
    becomes_ready(client)
    assert client.post("/v1/ads", json=AD).status_code == 200


def test_a_damaged_file_of_the_event_log_is_named(client: TestClient, settings: Settings) -> None:
    log = settings.home / "features" / "events"
    EventLog(log).append([logged(0)._replace(ts=datetime.now(UTC))])
    file = max(log.glob("laid=by_day/*/*.parquet"), key=lambda file: file.stat().st_mtime)
    whole = file.read_bytes()
    file.write_bytes(b"PAR1 no rows PAR1")
    answer = client.get("/studio/api/shoppers")
    assert answer.status_code == 503
    file.write_bytes(whole)
    assert client.post("/v1/ads", json=AD).status_code == 200


def test_metrics_tell_what_readyz_tells(client: TestClient, settings: Settings) -> None:
    becomes_ready(client)
    text = client.get("/metrics").text
    assert "adloom_ready 1.0" in text
    for part in ("events", "features", "database", "registry", "drawing"):
        assert f'adloom_part_up{{part="{part}"}} 1.0' in text
