"""A whole loop on the parts that many machines share: nowhere in them stays who is forgotten."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine, MetaData, select

from adloom.feature_store.checking import check_all
from adloom.feature_store.logged import LoggedEvent
from adloom.feature_store.store import FeatureStore
from adloom.loop import home
from adloom.loop.bench.redis_server import LocalRedis
from adloom.loop.forgetting.forget import forget
from adloom.loop.forgetting.kept import opened
from adloom.loop.settings import Settings
from adloom.stream.burial import waiting_letters
from adloom.stream.consumer import EventConsumer
from adloom.stream.consuming import consuming
from adloom.stream.events import EVENT_TYPES
from adloom.stream.producer import EventProducer
from adloom.stream.reading import read_to_end
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import dead_letter_topic, event_topics, topic_of
from tests.loop.forgetting.lived_in import CANARY, OTHERS, clicks, drawn_for, learn, shop
from tests.loop.forgetting.searching import files_with, has
from tests.loop.forgetting.test_taken_in_no_more import until
from tests.mlflow_server import WRITER, MlflowServer, logged_in
from tests.postgres_server import PostgresServer
from tests.s3_process import running_s3_process
from tests.s3_server import S3Server


class Everywhere:
    """A shop on Postgres, an object store, Redis, Kafka and MLflow, and a look into each."""

    def __init__(
        self,
        settings: Settings,
        s3: S3Server,
        redis: LocalRedis,
        mlflow: MlflowServer,
    ) -> None:
        self.settings, self._s3, self._redis, self._mlflow = settings, s3, redis, mlflow

    def naming(self, name: str, database: Engine) -> dict[str, list[str]]:
        """Where a name is, by part."""
        found = {
            "home": files_with(name, self.settings.home),
            "database": self._rows(name, database),
            "bucket": self._objects(name),
            "redis": self._keys(name),
            "mlflow": files_with(name, self._mlflow.artifacts.parent),
            "topics": self._records(name),
        }
        return {part: places for part, places in found.items() if places}

    def _rows(self, name: str, database: Engine) -> list[str]:
        tables = MetaData()
        with database.connect() as connection:
            tables.reflect(connection)
            return [
                table.name
                for table in tables.sorted_tables
                for row in connection.execute(select(table))
                if any(has(_bytes(value), name) for value in row)
            ]

    def _objects(self, name: str) -> list[str]:
        found = []
        for key, content in self._s3.objects(self.settings.pictures).items():
            parts = [key.encode(), content]
            if key.endswith(".parquet"):
                parts.append(repr(pq.read_table(io.BytesIO(content)).to_pylist()).encode())
            if any(has(part, name) for part in parts):
                found.append(key)
        return found

    def _keys(self, name: str) -> list[str]:
        from redis import Redis

        host, _, port = self._redis.url.partition(":")
        with closing(Redis(host, int(port))) as redis:
            return [
                repr(key)
                for key in redis.scan_iter()
                if has(key, name) or (redis.type(key) == b"hash" and has(_hash(redis, key), name))
            ]

    def _records(self, name: str) -> list[str]:
        kafka = self.settings.kafka
        return [
            f"{record.topic}/{record.partition}/{record.offset}"
            for topic in (*event_topics(kafka), dead_letter_topic(kafka))
            for records in read_to_end(kafka, [topic])
            for part in records.values()
            for record in part
            if has(
                (record.key or b"") + (record.value or b"") + repr(record.headers).encode(), name
            )
        ]


def _bytes(value: Any) -> bytes:
    return bytes(value) if isinstance(value, (bytes, memoryview)) else str(value).encode()


def _hash(redis: Any, key: bytes) -> bytes:
    return b"".join(part for pair in redis.hgetall(key).items() for part in pair)


@pytest.fixture
def everywhere(
    tmp_path: Path,
    postgres: PostgresServer,
    redis: LocalRedis,
    apache_kafka: KafkaSettings,
    guarded_mlflow: MlflowServer,
) -> Iterator[Everywhere]:
    database, name = postgres.new_database(), f"forget-{uuid.uuid4().hex[:8]}"
    assert database.password is not None
    with running_s3_process() as s3, logged_in(WRITER):
        pictures = s3.new_place()
        bucket = {"url": f"{pictures.url}/log", "endpoint_url": pictures.endpoint_url}
        settings = shop(
            tmp_path,
            kafka=apache_kafka.model_dump(mode="json", exclude={"sasl_password", "registry"}),
            features={"online": "redis", "redis_url": redis.url},
            database={"url": database.url, "password": database.password.get_secret_value()},
            pictures={"url": pictures.url, "endpoint_url": pictures.endpoint_url},
            log=bucket | {"commit_seconds": 0.2},
            mlflow={
                "tracking_uri": guarded_mlflow.uri,
                "model_name": name,
                "experiment": name,
            },
        )
        yield Everywhere(settings, s3, redis, guarded_mlflow)


@contextmanager
def consumed(settings: Settings, features: FeatureStore) -> Iterator[EventConsumer]:
    with home.who_is_forgotten(settings, "a test") as reader:
        consumer = EventConsumer(settings.kafka, features, forgotten=reader)
        with consuming(consumer):
            yield consumer


def send(producer: EventProducer, consumer: EventConsumer, events: list[LoggedEvent]) -> None:
    """Events as the shop sends them, until they are taken in."""
    before = consumer.counts.consumed
    names = ("event_id", "ts", "user_id", "item_id", "ad_id", "variant")
    producer.deliver(
        EVENT_TYPES[event.kind](**{name: getattr(event, name) for name in names})
        for event in events
    )
    until(lambda: consumer.counts.consumed == before + len(events))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_names_who_is_forgotten(everywhere: Everywhere) -> None:
    settings = everywhere.settings
    with (
        home.open_features(settings) as features,
        consumed(settings, features) as consumer,
        EventProducer(settings.kafka) as producer,
    ):
        send(producer, consumer, clicks(settings, [CANARY, *OTHERS], timedelta(hours=2)))
        for user in (CANARY, "bob"):
            broken = json.dumps({"user_id": user, "ts": "yesterday"}).encode()
            producer.send_payload(topic_of(settings.kafka, "click"), user.encode(), broken)
        producer.flush()
        until(lambda: sum(consumer.counts.dead_letters.values()) == 2)
        outcome = learn(settings, features)
        send(producer, consumer, [drawn_for(settings, features, CANARY, 7)])
        with opened(settings) as kept:
            named = everywhere.naming(CANARY, kept.database)
            assert named.keys() == {"home", "database", "bucket", "redis", "topics"}, named
            report = forget(kept, [CANARY])
            assert report.complete
            assert everywhere.naming(CANARY, kept.database) == {}
            [letter] = waiting_letters(settings.kafka)
            assert "bob" in letter.payload
            assert everywhere.naming("bob", kept.database).keys() >= {"home", "bucket", "redis"}
        assert report.events == {"exposure": 7, "click": 6}
        assert (report.dead_letters, report.creatives, report.pictures) == (1, 1, 1)
        assert (report.rounds, report.versions) == ([1], [outcome.version])
        assert {topic.state for topic in report.topics} == {"erased"}
        # All goes on: who is left is counted, and who comes back is new.
        late = clicks(settings, [CANARY, "bob"], timedelta(seconds=-1))
        send(producer, consumer, late)
        assert features.user_stats([CANARY])[CANARY].clicks == 6
        assert check_all(features).differing == 0
        features.ping()
