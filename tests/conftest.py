"""Real parts that tests share: one broker for all, a group and topics of its own for each.

`ADLOOM_TEST_KAFKA=host:port pytest` takes that cluster in place of the local broker, but for tests
that kill or stop a broker of their own.
"""

from __future__ import annotations

import os

# Two workers share the cores, and the models of the tests are too small for more threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import kafka as _before_feast  # noqa: F401 - feast would have its deprecations told
import pytest
import typer.main

from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from adloom.loop.bench.redis_server import LocalRedis, RedisUnavailable, running_redis
from adloom.loop.settings.database import DatabaseSettings
from adloom.stream.broker import LocalBroker
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import create_topics
from tests.kafka_cluster import (
    WITH_RIGHTS,
    WITHOUT_DELAY,
    ApacheKafka,
    NoApacheKafka,
    running_kafka,
)
from tests.mlflow_server import MlflowServer, running_mlflow
from tests.own_tracking import tables_made_once
from tests.postgres_server import NoPostgres, PostgresServer, running_postgres
from tests.redis_nodes import RedisNodes, running_cluster
from tests.world.cluster_faults import delete_topics

_TEST_KAFKA = os.environ.get("ADLOOM_TEST_KAFKA")
_SESSION_SECONDS = 6  # Apache Kafka takes no shorter one


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=2, help="processes killed in the crash tests")
    parser.addoption("--users", type=int, default=12, help="of the batch that is killed twice")
    parser.addoption("--faults", type=int, default=0, help="random sequences of faults to try")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What runs on which broker can be chosen: `-m "kafka and not apache"`.

    Files with slow tests come first: at the end every worker then has something to do.
    """
    for item in items:
        used = set(getattr(item, "fixturenames", ()))
        if "kafka" in used:
            item.add_marker("kafka")
        if used & {"apache", "apache_kafka"}:
            item.add_marker("apache")
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def _only_settings_in_the_environment() -> None:
    """adloom refuses names that begin as its settings do and are none."""
    for name in ("ADLOOM_TEST_KAFKA", "ADLOOM_KAFKA_START"):
        os.environ.pop(name, None)


@pytest.fixture(scope="session", autouse=True)
def _what_is_the_same_for_all_is_made_once() -> Iterator[None]:
    """Typer builds all commands for each that is invoked, MLflow its tables step by step."""
    with pytest.MonkeyPatch.context() as patched, tables_made_once():
        patched.setattr("typer.testing._get_command", cache(typer.main.get_command))
        yield


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A command that a test runs in this process says what is logged; the next test has its own."""
    loggers = [logging.getLogger(name) for name in (None, "adloom", "uvicorn", "kafka")]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


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


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisNodes]:
    """Three primaries with a replica each, or a skipped test that says what to install."""
    try:
        with running_cluster() as nodes:
            yield nodes
    except RedisUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real server, or a skipped test that says what to install."""
    try:
        with running_postgres() as server:
            yield server
    except NoPostgres as error:
        pytest.skip(str(error))


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> DatabaseSettings:
    """Settings of a new database on each of the engines."""
    if request.param == "sqlite":
        return DatabaseSettings()
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture(scope="session")
def apache(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[ApacheKafka]:
    """Apache Kafka on one node, for all workers, or a skipped test that says what it needs."""
    folder = tmp_path_factory.getbasetemp()
    shared = folder if worker_id == "master" else folder.parent
    try:
        properties = WITH_RIGHTS + WITHOUT_DELAY
        with running_kafka(shared / "apache", properties=properties) as cluster:
            yield cluster
    except NoApacheKafka as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def guarded_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A real MLflow server that asks for logins; whoever takes it away brings it back."""
    with running_mlflow(tmp_path_factory.mktemp("mlflow-server")) as server:
        yield server


@pytest.fixture
def kafka(request: pytest.FixtureRequest) -> KafkaSettings:
    """Settings of the shared broker; nothing else uses these topics and this group."""
    name = "apache_kafka" if _TEST_KAFKA else "local_kafka"
    settings: KafkaSettings = request.getfixturevalue(name)
    return settings


@pytest.fixture
def local_kafka(broker: LocalBroker) -> Iterator[KafkaSettings]:
    """The same, always on the local broker."""
    # It lets a new group wait for half of a session.
    with own_topics(broker.bootstrap_servers, session_seconds=2) as settings:
        yield settings


@pytest.fixture
def apache_kafka(request: pytest.FixtureRequest) -> Iterator[KafkaSettings]:
    """The same, always on Apache Kafka: for what the local broker does not know."""
    servers = _TEST_KAFKA or request.getfixturevalue("apache").bootstrap_servers
    with own_topics(servers, _SESSION_SECONDS) as settings:
        yield settings


@contextmanager
def own_topics(servers: str, session_seconds: float) -> Iterator[KafkaSettings]:
    """Topics and a group that are there for the block."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    settings = KafkaSettings(
        bootstrap_servers=servers,
        topic_prefix=name,
        group_id=name,
        partitions=2,
        session_seconds=session_seconds,
    )
    create_topics(settings)
    yield settings
    delete_topics(settings)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeatureStore]:
    with FeatureStore.open(FeatureStoreSettings(), tmp_path / "features") as opened:
        yield opened
