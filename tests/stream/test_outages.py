"""Broker or store away: the consumer waits, says so, and loses nothing."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from adloom.loop.bench.redis_server import LocalRedis, RedisUnavailable, running_redis
from adloom.stream.broker import LocalBroker
from adloom.stream.consumer import EventConsumer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import create_topics
from tests.sample_events import click
from tests.stream.test_consumer import accounted, produce, running, wait_until


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is away is noticed sooner than in earnest."""
    monkeypatch.setattr("adloom.stream.membership.running._CHECK_EVERY_SECONDS", 1.0)
    monkeypatch.setattr("adloom.stream.consumer._PATIENCE_SECONDS", 2.0)
    monkeypatch.setattr("adloom.stream.outages._LONGEST_PAUSE_SECONDS", 2.0)
    monkeypatch.setattr("adloom.feature_store.sqlite_file._PATIENCE_SECONDS", 1.0)


def clicks(first: int, count: int) -> list[Any]:
    return [click(f"c{n}", n, user_id=f"user-{n % 7}") for n in range(first, first + count)]


def failures(error: str) -> float:
    found = REGISTRY.get_sample_value("adloom_stream_failures_total", {"error": error})
    return found or 0.0


def ready_metric() -> float | None:
    return REGISTRY.get_sample_value("adloom_stream_ready")


def clicks_of(store: FeatureStore) -> int:
    return store.item_stats(["shoe"])["shoe"].clicks


def test_redis_stops_and_comes_back(
    kafka: KafkaSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = failures("StoreUnavailable")
    try:
        with running_redis() as redis:
            _outlives(redis, kafka, tmp_path)
    except RedisUnavailable as error:
        pytest.skip(str(error))
    assert failures("StoreUnavailable") > before
    assert "Redis online store cannot be used" in caplog.text


def _outlives(redis: LocalRedis, kafka: KafkaSettings, home: Path) -> None:
    settings = FeatureStoreSettings(online="redis", redis_url=SecretStr(redis.url))
    with (
        FeatureStore.open(settings, home) as store,
        running(EventConsumer(kafka, store)) as consumer,
    ):
        produce(kafka, *clicks(0, 100))
        wait_until(lambda: accounted(consumer) == 100 and consumer.ready)
        redis.stop()
        produce(kafka, *clicks(100, 100))
        wait_until(lambda: not consumer.ready)
        assert ready_metric() == 0
        redis.start()
        wait_until(lambda: accounted(consumer) == 200 and consumer.ready)
        assert ready_metric() == 1
        assert clicks_of(store) == 200


def test_an_idle_consumer_notices_that_redis_is_away(kafka: KafkaSettings, tmp_path: Path) -> None:
    try:
        with running_redis() as redis:
            settings = FeatureStoreSettings(online="redis", redis_url=SecretStr(redis.url))
            with (
                FeatureStore.open(settings, tmp_path) as store,
                running(EventConsumer(kafka, store)) as consumer,
            ):
                wait_until(lambda: consumer.ready)
                redis.stop()
                wait_until(lambda: not consumer.ready)
    except RedisUnavailable as error:
        pytest.skip(str(error))


def test_sqlite_is_locked_for_a_while(
    kafka: KafkaSettings, store: FeatureStore, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        running(EventConsumer(kafka, store)) as consumer,
        closing(sqlite3.connect(store.folder / "online.db", isolation_level=None)) as other,
    ):
        wait_until(lambda: consumer.ready)
        other.execute("BEGIN IMMEDIATE")
        produce(kafka, *clicks(0, 100))
        wait_until(lambda: consumer.failing)
        other.execute("ROLLBACK")
        wait_until(lambda: accounted(consumer) == 100 and consumer.ready)
    assert clicks_of(store) == 100
    assert "database is locked" in caplog.text


@pytest.fixture
def own_broker() -> Iterator[LocalBroker]:
    with LocalBroker() as broker:
        yield broker


def settings_of(broker: LocalBroker) -> KafkaSettings:
    kafka = KafkaSettings(
        bootstrap_servers=broker.bootstrap_servers, partitions=2, session_seconds=2
    )
    create_topics(kafka)
    return kafka


def send_signal(broker: LocalBroker, number: signal.Signals) -> None:
    assert broker._process is not None
    os.killpg(broker._process.pid, number)


def test_the_broker_hangs_for_a_while(
    own_broker: LocalBroker, store: FeatureStore, caplog: pytest.LogCaptureFixture
) -> None:
    kafka = settings_of(own_broker)
    before = failures("BrokerUnavailable") + failures("HungUp")
    with running(EventConsumer(kafka, store)) as consumer:
        produce(kafka, *clicks(0, 100))
        wait_until(lambda: accounted(consumer) == 100 and consumer.ready)
        send_signal(own_broker, signal.SIGSTOP)
        try:
            wait_until(lambda: not consumer.ready)
        finally:
            send_signal(own_broker, signal.SIGCONT)
        wait_until(lambda: consumer.ready)
        produce(kafka, *clicks(100, 100))
        wait_until(lambda: accounted(consumer) == 200)
    assert clicks_of(store) == 200
    assert failures("BrokerUnavailable") + failures("HungUp") > before
    assert "not ready, next try in" in caplog.text


def test_the_broker_is_killed_and_another_takes_its_place(
    own_broker: LocalBroker, store: FeatureStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Its memory is gone, and so are topics and committed offsets: the features are not."""
    kafka = settings_of(own_broker)
    with running(EventConsumer(kafka, store)) as consumer:
        produce(kafka, *clicks(0, 100))
        wait_until(lambda: accounted(consumer) == 100 and consumer.ready)
        send_signal(own_broker, signal.SIGKILL)
        wait_until(lambda: not consumer.ready)
        with LocalBroker(own_broker._port):
            create_topics(kafka)
            produce(kafka, *clicks(100, 50))
            wait_until(lambda: clicks_of(store) == 150 and consumer.ready)
            produce(kafka, *clicks(150, 50))
            wait_until(lambda: clicks_of(store) == 200)
    assert "was made anew" in caplog.text
