"""`POST /v1/users/{id}/forget`, on a server that runs; what becomes of who opted out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from adloom.loop import home
from adloom.loop.serving.app import create_app
from adloom.loop.settings import Settings
from tests.loop.forgetting.lived_in import CANARY
from tests.loop.forgetting.searching import files_with
from tests.loop_parts import keep_shop_ads, server_of, tiny_settings

KEY = "may-forget-and-nothing-else"
_PATH = f"/v1/users/{quote(CANARY, safe='')}/forget"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    serve = {"follow_seconds": 0.2, "forget_keys": [KEY]}
    return tiny_settings(tmp_path_factory.mktemp("serve"), serve=serve)


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    creatives = home.open_creatives(settings)
    keep_shop_ads(creatives, 3)
    creatives.close()
    with TestClient(create_app(settings)) as client:
        yield client


def until(true: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def click(client: TestClient, user: str, name: str) -> dict[str, Any]:
    event = {"event_id": name, "ts": datetime.now(UTC).isoformat(), "user_id": user}
    answer = client.post("/v1/events", json={"clicks": [event | {"item_id": "running-shoes"}]})
    assert answer.status_code == 202, answer.text
    told: dict[str, Any] = answer.json()
    return told


def clicks_of(client: TestClient, user: str) -> int:
    return server_of(client).features.user_stats([user])[user].clicks


def test_it_takes_a_key_of_its_own(client: TestClient) -> None:
    assert client.post(_PATH).status_code == 401
    assert client.post(_PATH, headers={"X-API-Key": "another-key-of-16"}).status_code == 401


def test_nobody_may_where_no_key_is_set(client: TestClient, monkeypatch: Any) -> None:
    monkeypatch.setattr(client.app.state.access, "_keys", [])  # type: ignore[attr-defined]
    answer = client.post(_PATH, headers={"X-API-Key": KEY})
    assert answer.status_code == 403
    assert "serve.forget_keys" in answer.text


def test_a_user_is_forgotten_while_the_server_runs(
    client: TestClient, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    ask = {"user_id": CANARY, "product_id": "running-shoes"}
    [ad] = [client.post("/v1/ads", json=ask).json()]
    click(client, CANARY, "one")
    until(lambda: clicks_of(client, CANARY) == 1)
    until(lambda: server_of(client).features.user_stats([CANARY])[CANARY].impressions == 1)
    key = {"X-API-Key": KEY}
    told = client.post(_PATH, headers=key, json={"dry_run": True}).json()
    assert told["events"] == {"click": 1, "exposure": 1}
    answer = client.post(_PATH, headers=key, json={"opt_out": True})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["complete"], told["events"]) == (True, {"click": 1, "exposure": 1})
    assert told["creatives"] == 1
    assert client.get(ad["picture_url"]).status_code == 404
    assert files_with(CANARY, settings.home) == []
    assert not [r for r in caplog.records if CANARY in f"{r.getMessage()} {r.__dict__}"]
    # Who opted out gets what anybody gets, and leaves no trace.
    until(lambda: server_of(client).forgotten.refuses(CANARY, datetime.now(UTC)))
    assert click(client, CANARY, "two") == {"accepted": 0, "dropped": 1}
    shown = client.post("/v1/ads", json=ask).json()
    assert (shown["personalised"], shown["variant"]) == (False, "champion")
    click(client, "bob", "three")
    until(lambda: clicks_of(client, "bob") == 1)
    assert client.post(_PATH, headers=key).json()["events"] == {}
    assert server_of(client).features.log.of_users([CANARY]) == []
    assert files_with(CANARY, settings.home) == []


def test_an_id_that_is_too_long_is_refused(client: TestClient) -> None:
    answer = client.post(f"/v1/users/{'x' * 129}/forget", headers={"X-API-Key": KEY})
    assert answer.status_code == 422
