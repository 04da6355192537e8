"""A member reads on after what the features have, whatever Kafka's commits say."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata
from prometheus_client import REGISTRY
from pydantic import SecretStr
from redis import Redis

from adloom.feature_store.progress import Reached
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from adloom.loop.bench.redis_server import LocalRedis
from adloom.stream.consumer import EventConsumer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import connect_admin, create_topics, event_topics, topic_ids
from tests.feature_store.online_rows import lose
from tests.sample_events import click, impression, logged
from tests.stream.test_consumer import accounted, consume, produce, running, wait_until
from tests.stream.test_outages import clicks, clicks_of

IN_ANOTHER_GROUP = {"group_id": "nobody-was-here"}


def committed(kafka: KafkaSettings) -> dict[TopicPartition, OffsetAndMetadata]:
    admin = connect_admin(kafka)
    try:
        return dict(admin.list_group_offsets([kafka.group_id])[kafka.group_id])
    finally:
        admin.close()


def test_commits_that_are_gone_change_nothing(kafka: KafkaSettings, store: FeatureStore) -> None:
    """As when the group's offsets expired, or somebody deleted or moved them by hand."""
    produced = produce(kafka, *clicks(0, 20))
    with EventConsumer(kafka, store) as consumer:
        consume(consumer, produced)
    moved = kafka.model_copy(update=IN_ANOTHER_GROUP)
    produce(kafka, *clicks(20, 5))
    with EventConsumer(moved, store) as consumer:
        consume(consumer, 5)
        assert accounted(consumer) == 5
    assert clicks_of(store) == 25


def test_tools_see_commits_of_what_was_done(
    apache_kafka: KafkaSettings, store: FeatureStore
) -> None:
    produced = produce(apache_kafka, *clicks(0, 20))
    with EventConsumer(apache_kafka, store) as consumer:
        consume(consumer, produced)
    assert sum(place.offset for place in committed(apache_kafka).values()) == produced


def test_placing_alone_commits_nothing(apache_kafka: KafkaSettings, store: FeatureStore) -> None:
    with EventConsumer(apache_kafka, store) as consumer:
        while not consumer.has_partitions:
            consumer.poll()
        consumer.poll()
    assert committed(apache_kafka) == {}


def copy_database(source: Path, target: Path) -> None:
    """With what is in its journal."""
    with closing(sqlite3.connect(source)) as from_it, closing(sqlite3.connect(target)) as to_it:
        from_it.backup(to_it)


def test_a_store_that_was_restored_catches_up(
    kafka: KafkaSettings, tmp_path: Path, store: FeatureStore
) -> None:
    settings, home = store.settings, store.folder
    produce(kafka, *clicks(0, 30))
    with EventConsumer(kafka, store) as consumer:
        consume(consumer, 30)
    store.close()
    copy_database(home / "online.db", tmp_path / "snapshot.db")
    produce(kafka, *clicks(30, 20))
    with FeatureStore.open(settings, home) as again, EventConsumer(kafka, again) as consumer:
        consume(consumer, 20)
    copy_database(tmp_path / "snapshot.db", home / "online.db")
    produce(kafka, *clicks(50, 5))
    with FeatureStore.open(settings, home) as restored, EventConsumer(kafka, restored) as consumer:
        consume(consumer, 25)
        assert clicks_of(restored) == 55
        assert len(restored.log.read("click")) == 55


@pytest.fixture
def on_redis(redis: LocalRedis, tmp_path: Path) -> Iterator[FeatureStore]:
    settings = FeatureStoreSettings(online="redis", redis_url=SecretStr(redis.url))
    with FeatureStore.open(settings, tmp_path / "on-redis") as opened:
        opened.clear()
        yield opened


class Snapshot:
    """All of a Redis server, and back."""

    def __init__(self, url: str) -> None:
        self._server: Any = Redis.from_url(f"redis://{url}")
        self._kept = {key: self._server.dump(key) for key in self._server.scan_iter()}

    def restore(self) -> None:
        with self._server.pipeline() as steps:
            steps.flushdb()
            for key, value in self._kept.items():
                steps.restore(key, 0, value)
            steps.execute()


def moved() -> float:
    return REGISTRY.get_sample_value("adloom_stream_progress_moved_total") or 0.0


@pytest.mark.parametrize("idle", [False, True])
def test_a_store_that_is_restored_under_a_live_member_catches_up(
    idle: bool, kafka: KafkaSettings, on_redis: FeatureStore, redis: LocalRedis
) -> None:
    """As when Redis fails over to a replica that lags behind."""
    before = moved()
    with running(EventConsumer(kafka, on_redis)) as consumer:
        produce(kafka, *clicks(0, 30))
        wait_until(lambda: accounted(consumer) == 30)
        snapshot = Snapshot(redis.url)
        produce(kafka, *clicks(30, 20))
        wait_until(lambda: accounted(consumer) == 50)
        snapshot.restore()
        if not idle:  # otherwise it is the check of every few seconds that notices
            produce(kafka, *clicks(50, 5))
        expected = 50 if idle else 55
        wait_until(lambda: clicks_of(on_redis) == expected and consumer.ready)
        time.sleep(1.5)  # what an idle member still writes must be right too
    assert clicks_of(on_redis) == expected
    assert moved() > before
    with EventConsumer(kafka, on_redis) as consumer:
        produce(kafka, *clicks(60, 5))
        consume(consumer, 5)
    assert clicks_of(on_redis) == expected + 5


def remake_topics(kafka: KafkaSettings) -> None:
    admin = connect_admin(kafka)
    try:
        admin.delete_topics(list(event_topics(kafka)))
        wait_until(lambda: not set(event_topics(kafka)) & set(admin.list_topics()))
    finally:
        admin.close()
    create_topics(kafka)


@pytest.mark.parametrize("live", [False, True])
def test_topics_made_anew_with_the_same_events_count_once(
    live: bool, kafka: KafkaSettings, store: FeatureStore
) -> None:
    """As on a cluster that was moved, or mirrored."""
    same = [*clicks(0, 20), *(impression(f"i{n}", n) for n in range(20))]
    produce(kafka, *same)
    consumer = EventConsumer(kafka, store)
    with running(consumer):
        wait_until(lambda: accounted(consumer) == 40)
        if live:
            remake_topics(kafka)
            produce(kafka, *same, *clicks(20, 5))
            wait_until(lambda: clicks_of(store) == 25 and consumer.ready)
    if not live:
        remake_topics(kafka)
        produce(kafka, *same, *clicks(20, 5))
        with EventConsumer(kafka, store) as again:
            consume(again, 45)
    item = store.item_stats(["shoe"])["shoe"]
    assert (item.clicks, item.impressions) == (25, 20)
    assert len(store.log.read()) == 45


def test_nothing_is_read_before_its_place_is_known(
    kafka: KafkaSettings, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    produced = produce(kafka, *clicks(0, 10))
    with EventConsumer(kafka, store) as consumer:
        consume(consumer, produced)
    produce(kafka, *clicks(10, 10))
    asked: list[int] = []
    real = store.progress

    def slow(partitions: list[int]) -> object:
        asked.append(1)
        if len(asked) < 3:
            raise OSError("the store is away")
        return real(partitions)

    monkeypatch.setattr(store, "progress", slow)
    consumer = EventConsumer(kafka, store)
    with running(consumer):
        wait_until(lambda: len(asked) >= 2)
        assert accounted(consumer) == 0
        wait_until(lambda: accounted(consumer) == 10 and consumer.ready)
    assert clicks_of(store) == 20


def test_records_that_kafka_has_lost_are_told_and_new_ones_are_read(
    apache_kafka: KafkaSettings, store: FeatureStore
) -> None:
    """As after an unclean election: the features are beyond the end of the partition."""
    kafka = apache_kafka
    [topic] = [name for name in event_topics(kafka) if name.endswith("clicks")]
    beyond = [Reached(topic, n, topic_ids(kafka)[topic], 1_000) for n in range(2)]
    store.apply((), beyond)
    store.settle(beyond)
    store.save_progress()
    consumer = EventConsumer(kafka, store)
    with running(consumer):
        produce(kafka, *clicks(0, 20))
        wait_until(lambda: clicks_of(store) == 20 and consumer.ready)
        assert [note for note in consumer.state.notes if "Kafka has lost records" in note]
        produce(kafka, *clicks(20, 5))
        wait_until(lambda: clicks_of(store) == 25)
    with EventConsumer(kafka, store) as again:
        produce(kafka, click("last", 100))
        consume(again, 1)
        assert again.state.notes == ()
    assert clicks_of(store) == 26
    assert len(store.log.read()) == 26


@pytest.mark.parametrize("before", [0, 12])
def test_a_store_restored_to_before_topics_were_made_anew_takes_the_rest_from_the_log(
    before: int, apache_kafka: KafkaSettings, tmp_path: Path
) -> None:
    """Of topics twice made anew, the last time with fewer partitions; or of none at all."""
    kafka, home = apache_kafka, tmp_path / "features"
    online = home / "online.db"
    settings = FeatureStoreSettings()

    def consume_all(expected: int) -> int:
        with FeatureStore.open(settings, home) as store, running(EventConsumer(kafka, store)) as it:
            wait_until(lambda: it.ready and it.has_partitions and clicks_of(store) >= expected)
            return clicks_of(store)

    produce(kafka, *clicks(0, before))
    consume_all(before)
    copy_database(online, tmp_path / "snapshot.db")
    produce(kafka, *clicks(before, 8))
    consume_all(before + 8)
    remake_topics(kafka.model_copy(update={"partitions": 3}))
    produce(kafka, *clicks(100, 20))
    consume_all(before + 28)
    remake_topics(kafka.model_copy(update={"partitions": 1}))
    produce(kafka, *clicks(200, 5))
    consume_all(before + 33)
    if before:
        copy_database(tmp_path / "snapshot.db", online)
    else:
        for file in home.glob("online.db*"):
            file.unlink()
    assert consume_all(before + 33) == before + 33
    with FeatureStore.open(settings, home) as store:
        assert len(store.log.read("click")) == before + 33


@pytest.mark.parametrize("online", ["live", "down"])
def test_files_and_topics_of_other_names_come_back_from_the_log(
    online: str, kafka: KafkaSettings, store: FeatureStore
) -> None:
    """A file that was backfilled, and a topic that had another name, are in the log alone."""
    elsewhere = [
        logged(n, n, user_id=f"user-{n % 3}", topic=topic, topic_id=f"of {topic}")
        for topic in ("file", "old.clicks")
        for n in range(30)
    ]
    other_ids = [event._replace(event_id=f"{event.topic}-{event.offset}") for event in elsewhere]
    store.log.append(other_ids)
    produced = produce(kafka, *clicks(0, 20))
    with running(EventConsumer(kafka, store)) as consumer:
        wait_until(lambda: accounted(consumer) == produced and consumer.ready)
        assert clicks_of(store) == 80
        if online == "live":
            lose(store, "")
            wait_until(lambda: clicks_of(store) == 80 and consumer.ready)
    if online == "down":
        lose(store, "")
        with running(EventConsumer(kafka, store)) as consumer:
            wait_until(lambda: clicks_of(store) == 80 and consumer.ready)
    assert store.user_stats(["user-1"])["user-1"].clicks == 20 + 3
