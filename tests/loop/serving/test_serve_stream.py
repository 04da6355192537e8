"""The ad server and its broker: one that is away or refuses keeps no ad from being drawn."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adloom.loop import home
from adloom.loop.serving.app import create_app
from adloom.loop.serving.metrics import EXPOSURES_LOST
from adloom.loop.settings import Settings
from adloom.stream.broker import LocalBroker
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import event_topics, topic_ids
from tests.kafka_cluster import USER, ApacheKafka
from tests.loop_parts import tiny_settings

_REFUSED = "Connection refused"
AD = {"user_id": "ann", "product_id": "running-shoes", "seed": 7}


def clicks(numbers: range) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {
        "clicks": [
            {"event_id": f"c{n}", "ts": now, "user_id": f"user-{n % 50}", "item_id": "shoe"}
            for n in numbers
        ]
    }


def problem_when(client: TestClient, told: str | None) -> str | None:
    """What `/readyz` says of the stream, once that is so."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        answer = client.get("/readyz")
        assert answer.status_code == 200
        problem: str | None = answer.json().get("problem")
        if problem is None if told is None else told in (problem or ""):
            return problem
        time.sleep(0.1)
    raise TimeoutError(f"/readyz did not say {told!r}: {answer.text}")


def stream_of(client: TestClient) -> dict[str, Any]:
    """What the studio says of it."""
    stream: dict[str, Any] = client.get("/studio/api/loop").json()["stream"]
    return stream


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_what_was_accepted_is_in_log_and_features_when_the_server_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adloom.loop.serving.own_broker._DRAIN_SECONDS", 60.0)  # tests share cores
    # In small batches the consumer is slower than who posts.
    settings = tiny_settings(tmp_path, kafka={"max_batch": 10})
    with TestClient(create_app(settings)) as client:
        for start in range(0, 3_000, 1_000):
            answer = client.post("/v1/events", json=clicks(range(start, start + 1_000)))
            assert answer.status_code == 202
    with home.open_features(settings) as features:
        assert len(features.log.read()) == 3_000
        assert features.item_stats(["shoe"])["shoe"].clicks == 3_000


def test_ads_are_drawn_while_the_broker_is_away_and_events_taken_once_it_is_there(
    tmp_path: Path, free_port: int
) -> None:
    servers = f"127.0.0.1:{free_port}"
    settings = tiny_settings(tmp_path, kafka={"bootstrap_servers": servers})
    lost = EXPOSURES_LOST._value.get()
    with TestClient(create_app(settings)) as client:
        told = problem_when(client, "events: no Kafka broker")
        assert (
            told == f"events: no Kafka broker answers at {servers}: {servers}: Connection refused"
        )
        assert stream_of(client)["problem"] == told.removeprefix("events: ")
        assert client.post("/v1/ads", json=AD).status_code == 200
        assert EXPOSURES_LOST._value.get() == lost + 1
        refused = client.post("/v1/events", json=clicks(range(1)))
        assert refused.status_code == 503
        assert refused.json() == {"detail": "the broker is away"}
        assert refused.headers["Retry-After"] == "5"
        with LocalBroker(free_port) as broker:
            assert broker.bootstrap_servers == servers
            problem_when(client, None)
            assert client.post("/v1/events", json=clicks(range(1))).status_code == 202
            stream = stream_of(client)  # nobody consumes, and the studio says so
            assert stream["problem"] is None
            assert stream["unread"]
            assert (stream["lag"], stream["dead_letters"]) == (None, None)
            kafka = KafkaSettings(bootstrap_servers=servers)
            assert topic_ids(kafka).keys() == event_topics(kafka).keys()


@pytest.fixture
def wrong_password(apache: ApacheKafka) -> dict[str, Any]:
    return {
        "bootstrap_servers": apache.login_servers,
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_username": USER,
        "sasl_password": "a-wrong-one",
    }


@pytest.fixture
def refused(tmp_path: Path, wrong_password: dict[str, Any]) -> Iterator[TestClient]:
    settings: Settings = tiny_settings(tmp_path, kafka=wrong_password)
    with TestClient(create_app(settings)) as client:
        yield client


def test_a_login_that_is_refused_is_told_and_ads_are_drawn(refused: TestClient) -> None:
    told = problem_when(refused, "kafka.sasl_password")
    assert "a-wrong-one" not in (told or "")
    assert refused.post("/v1/ads", json=AD).status_code == 200
    answer = refused.post("/v1/events", json=clicks(range(1)))
    assert answer.status_code == 503
