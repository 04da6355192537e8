"""Who may ask the ad server, how often, how much, and for how long."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from starlette.types import Message, Scope

from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.serving.app import create_app
from adloom.loop.serving.edge.open_address import OpenToAnyone, refuse_open_address
from adloom.loop.serving.http.access import Access, Admitted
from adloom.loop.serving.http.limits import BodyLimit
from adloom.loop.serving.http.logs import log_as_json
from adloom.loop.serving.requests import AdRequest
from adloom.loop.settings import Settings, SettingsError
from tests.loop_parts import generator_of, server_of, tiny_settings

KEY, OTHER_KEY = "a-key-of-sixteen-or-more", "and-another-one-of-those"
AD = {"user_id": "ann", "product_id": "running-shoes", "seed": 7}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    limits = {"api_keys": [KEY, OTHER_KEY], "rate_limit": "40/hour", "max_waiting": 1}
    return tiny_settings(tmp_path_factory.mktemp("limits"), serve=limits | {"max_batch": 1})


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), headers={"X-API-Key": KEY}) as client:
        yield client


@contextmanager
def standing_still(client: TestClient) -> Iterator[None]:
    """No token is drawn while this runs."""
    server = server_of(client)
    with server.champion.lock:
        yield


@pytest.mark.parametrize("path", ["/v1/ads", "/v1/events", "/studio/api/promote"])
@pytest.mark.parametrize("key", ["", "not the key of this server"])
def test_without_a_known_key_nothing_is_done(client: TestClient, path: str, key: str) -> None:
    answer = client.post(path, json={}, headers={"X-API-Key": key})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "ApiKey"


def test_shoppers_and_state_of_the_loop_are_told_to_key_holders_only(client: TestClient) -> None:
    for path in ("shoppers", "loop"):
        refused = client.get(f"/studio/api/{path}", headers={"X-API-Key": ""})
        assert refused.status_code == 401
    assert client.get("/healthz", headers={"X-API-Key": ""}).status_code == 200


def test_other_machines_are_served_with_keys_only(settings: Settings) -> None:
    nobody_asked = settings.serve.model_copy(update={"api_keys": ()})
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        refuse_open_address(nobody_asked, host)
    for host in ("0.0.0.0", "::", "10.0.0.5", "shop.example"):
        refuse_open_address(settings.serve, host)
        with pytest.raises(OpenToAnyone, match=r"serve\.api_keys: others reach"):
            refuse_open_address(nobody_asked, host)


def test_a_full_queue_says_when_to_come_back(client: TestClient) -> None:
    server = server_of(client)
    with ThreadPoolExecutor(2) as pool:
        with standing_still(client):
            first = pool.submit(client.post, "/v1/ads", json=AD)
            time.sleep(0.3)  # begun: taken out of the queue
            second = pool.submit(client.post, "/v1/ads", json=AD)
            while not server.queue.waiting:
                time.sleep(0.01)
            refused = client.post("/v1/ads", json=AD)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert [one.result().status_code for one in (first, second)] == [200, 200]


def test_an_ad_that_takes_too_long_is_given_up(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = server_of(client)
    made = len(server.creatives)
    with monkeypatch.context() as patch, standing_still(client):
        patch.setattr(server, "timeout_seconds", 0.2)
        late = client.post("/v1/ads", json=AD)
    assert late.status_code == 504
    assert "serve.timeout_seconds" in late.json()["detail"]
    assert server.request(AdRequest("ann", load_catalog()["running-shoes"], 8)).result(60)
    assert len(server.creatives) == made + 1
    assert generator_of(server.maker).engine.running == 0


def test_too_many_requests_of_one_key_are_turned_away_and_others_are_not(
    client: TestClient,
) -> None:
    answers = [client.post("/v1/events", json={}) for _ in range(41)]
    refused = answers[-1]
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 3600
    assert "serve.rate_limit" in refused.json()["detail"]
    other = client.post("/v1/events", json={}, headers={"X-API-Key": OTHER_KEY})
    assert other.status_code == 202


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://evil.example:8000", "Host": "evil.example:8000"},
    ],
)
def test_a_page_of_another_site_sends_nothing(tmp_path: Path, headers: dict[str, str]) -> None:
    app = FastAPI()
    app.state.access = Access(tiny_settings(tmp_path).serve)
    app.post("/events", dependencies=Admitted)(lambda: "taken")
    client = TestClient(app)
    assert client.post("/events").status_code == 200
    assert client.post("/events", headers={"Origin": "http://localhost:8000"}).status_code == 200
    assert client.post("/events", headers=headers).status_code == 403


@pytest.mark.parametrize("rate", ["often", "0/minute"])
def test_a_rate_that_is_none_is_refused(tmp_path: Path, rate: str) -> None:
    with pytest.raises(SettingsError, match=r"serve\.rate_limit"):
        tiny_settings(tmp_path, serve={"rate_limit": rate})


def test_every_line_of_the_log_is_json_with_the_request_id(
    client: TestClient, capfd: pytest.CaptureFixture[str]
) -> None:
    kept, level = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        log_as_json()
        given = client.get("/healthz", headers={"X-Request-Id": "order-66"})
        made = client.get("/healthz", headers={"X-Request-Id": "a b\nc"})
    finally:
        logging.getLogger().handlers[:] = kept
        logging.getLogger().setLevel(level)
    assert given.headers["x-request-id"] == "order-66"
    assert len(made.headers["x-request-id"]) == 32
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    told = [line for line in lines if line["request_id"] == "order-66"]
    assert [(one["path"], one["status"]) for one in told] == [("/healthz", 200)]
    assert {line["request_id"] for line in lines} == {"order-66", made.headers["x-request-id"]}


def test_a_body_that_does_not_arrive_is_waited_for_a_while_only() -> None:
    app = FastAPI()

    @app.post("/")
    async def take(request: Request) -> str:
        return (await request.body()).decode()

    async def receive() -> Message:
        await asyncio.sleep(60)
        raise AssertionError

    answers: list[Message] = []

    async def send(message: Message) -> None:
        answers.append(message)

    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [],
    }
    asyncio.run(BodyLimit(app, max_bytes=9, max_seconds=0.01)(scope, receive, send))
    assert answers[0]["status"] == 408
