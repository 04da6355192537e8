"""Servers that all machines of a shop share; each can be killed, and comes back with its data."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from adloom.stream.broker import LocalBroker
from adloom.stream.settings import KafkaSettings
from tests.kafka_cluster import NoApacheKafka, running_kafka
from tests.mlflow_server import WRITER, MlflowServer, logged_in
from tests.postgres_server import PostgresServer
from tests.redis_nodes import RedisNode
from tests.s3_process import running_s3_process

_SESSION_SECONDS = 6  # Apache Kafka takes no shorter one


@dataclass(frozen=True)
class Part:
    """A server that is none of adloom's.

    Attributes:
        told_as: the part of an ad server that has a problem while it is away.
        kill: kill -9.
        start: brings it back with what it acknowledged; returns once it answers.
    """

    told_as: str
    kill: Callable[[], object]
    start: Callable[[], object]


@dataclass(frozen=True)
class Parts:
    """What runs, and the settings that lead there, by section."""

    parts: dict[str, Part]
    settings: dict[str, Any]


@contextmanager
def running_parts(
    folder: Path, postgres: PostgresServer, mlflow: MlflowServer, broker: LocalBroker
) -> Iterator[Parts]:
    """A database of Postgres, a bucket, Redis, MLflow and a broker of their own, for the block.

    The broker is Apache Kafka. Where there is none it is ``broker``, which cannot be killed: it has
    all in its memory.
    """
    database, name = postgres.new_database(), f"shop-{uuid.uuid4().hex[:8]}"
    assert database.password is not None
    redis = RedisNode(folder / "redis")
    with ExitStack() as held:
        held.enter_context(logged_in(WRITER))
        s3 = held.enter_context(running_s3_process())
        bucket = s3.new_place()
        held.callback(redis.stop)
        redis.start()
        parts = {
            "postgres": Part("database", postgres.kill, postgres.start),
            "redis": Part("features", redis.kill, redis.start),
            "objects": Part("pictures", s3.kill, s3.start),
            "mlflow": Part("registry", mlflow.stop, mlflow.start),
        }
        servers = broker.bootstrap_servers
        try:
            kafka = held.enter_context(running_kafka(folder / "broker"))
        except NoApacheKafka:
            pass
        else:
            servers = kafka.bootstrap_servers
            kill, start = partial(kafka.kill, 1), partial(kafka.start_again, 1)
            parts["broker"] = Part("events", kill, start)
        stream = KafkaSettings(
            bootstrap_servers=servers,
            topic_prefix=name,
            group_id=name,
            partitions=2,
            session_seconds=_SESSION_SECONDS,
        )
        there = {"endpoint_url": bucket.endpoint_url}
        settings = {
            "kafka": stream.model_dump(mode="json", include=stream.model_fields_set),
            "features": {"online": "redis", "redis_url": redis.address},
            "database": {"url": database.url, "password": database.password.get_secret_value()},
            "pictures": {"url": bucket.url, **there},
            "log": {"url": f"{bucket.url}-log", "commit_seconds": 0.5, **there},
            "mlflow": {"tracking_uri": mlflow.uri, "model_name": name, "experiment": name},
        }
        yield Parts(parts, settings)
