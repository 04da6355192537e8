"""Pages of the shop send events by a key that all can read; those of others do not."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adloom.feature_store.store import FeatureStore
from adloom.loop.serving.app import create_app
from adloom.loop.serving.http.logs import log_as_json
from adloom.loop.settings import load_settings
from adloom.stream.consumer import EventConsumer
from adloom.stream.event_settings import EventSettings
from adloom.stream.forgotten import NOBODY
from adloom.stream.producer import EventProducer
from adloom.stream.settings import KafkaSettings
from tests.stream.test_consumer import consume

SHOP, OTHER = "https://shop.example", "https://evil.example"
PUBLIC, SECRET = "for-all-pages-of-the-shop", "for-the-servers-of-the-shop"
SERVE: dict[str, Any] = {
    "write_keys": [SECRET],
    "publishable_keys": [PUBLIC],
    "cors_origins": [SHOP, "http://localhost:3000"],
}
OWN_FORM = EventSettings.model_validate(
    {"fields": {"user_id": "uid", "item_id": "sku", "ts": "at", "event_id": "hash"}}
)


@contextmanager
def serving(
    kafka: KafkaSettings, home: Path, events: EventSettings | None = None, **serve: Any
) -> Iterator[TestClient]:
    """A server whose one part is the way to Kafka."""
    told: dict[str, Any] = {
        "kafka": kafka,
        "events": events or EventSettings(),
        "serve": SERVE | serve,
    }
    app = create_app(load_settings(home=home, **told))
    with EventProducer(kafka) as producer:
        app.state.server = SimpleNamespace(producer=producer, loses_events=False, forgotten=NOBODY)
        yield TestClient(app, base_url="http://localhost")


@pytest.fixture
def shop(kafka: KafkaSettings, tmp_path: Path) -> Iterator[TestClient]:
    with serving(kafka, tmp_path) as client:
        yield client


def event(number: int = 0, **more: Any) -> dict[str, Any]:
    ts = "2001-01-01T00:00:00Z"  # a visitor's clock
    return {"event_id": f"e{number}", "ts": ts, "user_id": "ann", "item_id": "shoe"} | more


def beacon(client: TestClient, origin: str | None = SHOP, **body: Any) -> Any:
    """As `navigator.sendBeacon` sends it."""
    headers = {"Content-Type": "text/plain;charset=UTF-8", "Sec-Fetch-Site": "cross-site"}
    if origin is not None:
        headers["Origin"] = origin
    content = json.dumps(body or {"clicks": [event()]})
    return client.post(f"/v1/events?key={PUBLIC}", content=content, headers=headers)


def test_what_a_page_sends_arrives_as_of_now(
    shop: TestClient, kafka: KafkaSettings, store: FeatureStore
) -> None:
    sent = beacon(shop, impressions=[event(1)], clicks=[event(2)])
    assert (sent.status_code, sent.json()["accepted"]) == (202, 2)
    assert sent.headers["access-control-allow-origin"] == SHOP
    headers = {"Origin": SHOP, "Sec-Fetch-Site": "cross-site", "X-API-Key": PUBLIC}
    fetched = shop.post("/v1/events", json={"clicks": [event(3)]}, headers=headers)
    assert fetched.status_code == 202
    with EventConsumer(kafka, store) as consumer:
        consume(consumer, 3)
        assert consumer.counts.dead_letters == {}
    stats = store.item_stats(["shoe"])["shoe"]
    assert (stats.impressions, stats.clicks) == (1, 2)
    moments = store.log.read("click")["ts"]
    assert all(abs(datetime.now(UTC) - ts) < timedelta(minutes=5) for ts in moments)


def test_a_visitors_clock_is_not_believed_in_the_shops_own_form_either(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    own = {"uid": "ann", "sku": "shoe", "at": "2150-01-01T00:00:00Z"}
    with serving(kafka, tmp_path, OWN_FORM) as client:
        assert beacon(client, clicks=[own]).status_code == 202
        body = {"clicks": [own]}
        refused = client.post("/v1/events", json=body, headers={"X-API-Key": SECRET})
    assert refused.status_code == 422
    assert "in the future" in refused.text


@pytest.mark.parametrize("origin", [OTHER, "null", "http://shop.example", f"{SHOP}:8443", None])
def test_another_sites_page_sends_nothing(shop: TestClient, origin: str | None) -> None:
    refused = beacon(shop, origin)
    assert refused.status_code == 403
    assert "access-control-allow-origin" not in refused.headers
    assert "serve.cors_origins" in refused.text or "without an Origin" in refused.text


def test_a_page_of_the_servers_own_host_sends(shop: TestClient) -> None:
    """As behind a proxy that shows both below one name, and ends TLS."""
    assert beacon(shop, "https://localhost", impressions=[]).status_code == 202
    assert beacon(shop, "https://localhost:1234", impressions=[]).status_code == 403


def test_a_pages_key_sends_nothing_but_impressions_and_clicks(shop: TestClient) -> None:
    outcome = {"event_id": "o", "ts": "2026-01-01T00:00:00Z", "user_id": "ann", "name": "purchase"}
    refused = beacon(shop, outcomes=[outcome])
    assert refused.status_code == 422
    assert "by a key of role write" in refused.text
    headers = {"Origin": SHOP, "X-API-Key": PUBLIC}
    assert shop.post("/v1/ads", json={}, headers=headers).status_code == 403


def test_plain_text_and_keys_in_addresses_are_for_pages_alone(shop: TestClient) -> None:
    plain = {"Content-Type": "Text/Plain", "X-API-Key": SECRET}
    refused = shop.post("/v1/events", content="{}", headers=plain)
    assert refused.status_code == 415
    assert "application/json" in refused.text
    for key in (SECRET, "a-key-that-nobody-gave", ""):
        refused = shop.post(f"/v1/events?key={key}", json={}, headers={"Origin": SHOP})
        assert refused.status_code == 401
        assert "serve.publishable_keys" in refused.text
    cross = {"Origin": SHOP, "Sec-Fetch-Site": "cross-site", "X-API-Key": SECRET}
    assert shop.post("/v1/events", json={}, headers=cross).status_code == 403


def preflight(client: TestClient, path: str, origin: str, method: str = "POST") -> Any:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "content-type,x-api-key",
    }
    return client.options(path, headers=asked)


def test_browsers_ask_before_they_send(shop: TestClient) -> None:
    told = preflight(shop, "/v1/events", SHOP)
    assert told.status_code == 200
    assert told.headers["access-control-allow-origin"] == SHOP
    assert told.headers["access-control-allow-methods"] == "POST"
    assert "x-api-key" in told.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in told.headers
    for path, origin, method in (
        ("/v1/events", OTHER, "POST"),
        ("/v1/events", SHOP, "DELETE"),
        ("/v1/ads", SHOP, "POST"),
        ("/studio/api/promote", SHOP, "POST"),
        (f"/v1/pictures/{'0' * 64}.webp", SHOP, "POST"),
    ):
        refused = preflight(shop, path, origin, method)
        assert refused.status_code in {400, 405}, path
        from_there = refused.headers.get("access-control-allow-origin") == origin
        assert not (from_there and method in refused.headers["access-control-allow-methods"])
    for path in (f"/v1/pictures/{'0' * 64}.webp", "/v1/ads/shop/5f1c/card.webp"):
        asked = {"Origin": SHOP, "Access-Control-Request-Method": "GET"}
        assert shop.options(path, headers=asked).headers["access-control-allow-origin"] == SHOP
    script = shop.get("/v1/events.js", headers={"Origin": SHOP, "Sec-Fetch-Site": "cross-site"})
    assert script.headers["access-control-allow-origin"] == SHOP
    assert "origin" in script.headers["vary"].lower()


def test_any_page_sends_where_the_settings_say_so(kafka: KafkaSettings, tmp_path: Path) -> None:
    with serving(kafka, tmp_path, cors_origins=["*"]) as client:
        sent = beacon(client, OTHER, impressions=[])
        assert sent.status_code == 202
        assert sent.headers["access-control-allow-origin"] == "*"
        cross = {"Origin": OTHER, "Sec-Fetch-Site": "cross-site", "X-API-Key": SECRET}
        assert client.post("/v1/ads", json={}, headers=cross).status_code == 403


def test_visitors_have_one_key_and_each_a_rate_of_its_own(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    with serving(kafka, tmp_path, page_rate_limit="2/hour") as client:
        visitors = [
            TestClient(client.app, base_url="http://localhost", client=(f"198.51.100.{n}", 1))
            for n in range(2)
        ]
        for visitor in visitors:
            told = [beacon(visitor, impressions=[]).status_code for _ in range(3)]
            assert told == [202, 202, 429]
        refused = beacon(visitors[0], impressions=[])
        assert "serve.page_rate_limit" in refused.text
        assert refused.headers["access-control-allow-origin"] == SHOP
        key = {"X-API-Key": SECRET}
        assert visitors[0].post("/v1/events", json={}, headers=key).status_code == 202


def test_a_proxy_that_hides_all_visitors_is_told_once(
    kafka: KafkaSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(kafka, tmp_path) as client:
        for n in range(2):
            client.headers["X-Forwarded-For"] = f"198.51.100.{n}"
            assert beacon(client, impressions=[]).status_code == 202
    told = [record.getMessage() for record in caplog.records if record.name == "adloom.serve"]
    assert len(told) == 1
    assert told[0].startswith("serve.trusted_proxies: ")


def test_a_key_in_an_address_is_in_no_log(
    shop: TestClient, capfd: pytest.CaptureFixture[str]
) -> None:
    kept, level = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        log_as_json()
        beacon(shop)
        beacon(shop, OTHER)
        shop.post(f"/v1/events?key={SECRET}", json={})
    finally:
        logging.getLogger().handlers[:] = kept
        logging.getLogger().setLevel(level)
    told = capfd.readouterr().err
    assert told.count('"/v1/events"') == 3
    assert PUBLIC not in told
    assert SECRET not in told
