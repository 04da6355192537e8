"""Real parts that tests share: one broker for all, a group and topics of its own for each."""

from __future__ import annotations

import os

# Two workers share the cores, and the models of the tests are too small for more threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from adloom.loop.bench.redis_server import LocalRedis, RedisUnavailable, running_redis
from adloom.stream.broker import LocalBroker
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import create_topics


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=2, help="consumers killed in the crash test")


@pytest.fixture(scope="session")
def broker() -> Iterator[LocalBroker]:
    with LocalBroker() as running:
        yield running


@pytest.fixture(scope="session")
def redis() -> Iterator[LocalRedis]:
    """A real server, or a skipped test that says what to install."""
    try:
        with running_redis() as server:
            yield server
    except RedisUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def kafka(broker: LocalBroker) -> KafkaSettings:
    """Settings of the shared broker; nothing else uses these topics and this group."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    settings = KafkaSettings(
        bootstrap_servers=broker.bootstrap_servers,
        topic_prefix=name,
        group_id=name,
        partitions=2,
        session_seconds=2,  # the broker lets a new group wait for half of this
    )
    create_topics(settings)
    return settings


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeatureStore]:
    with FeatureStore.open(FeatureStoreSettings(), tmp_path / "features") as opened:
        yield opened
