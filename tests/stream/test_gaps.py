"""What retention deleted: taken from the event log where it has it, counted and told where not."""

from __future__ import annotations

from contextlib import closing

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from prometheus_client import REGISTRY

from adloom.feature_store.store import FeatureStore
from adloom.stream.consumer import EventConsumer
from adloom.stream.membership.gaps import Notes
from adloom.stream.retaining import RETENTION
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import connect_admin, topic_of
from tests.stream.test_consumer import accounted, consume, produce, running, wait_until
from tests.stream.test_outages import clicks, clicks_of

_TO_THE_END = -1


def delete_all(kafka: KafkaSettings) -> None:
    """All clicks that Kafka holds are gone, as after retention."""
    partitions = [TopicPartition(topic_of(kafka, "click"), n) for n in range(kafka.partitions)]
    admin = connect_admin(kafka)
    try:
        admin.delete_records(dict.fromkeys(partitions, _TO_THE_END))
    finally:
        admin.close()


def keep_for(kafka: KafkaSettings, milliseconds: int) -> None:
    """What is older goes with the next look of the broker; -1: nothing."""
    change = {RETENTION: str(milliseconds)}
    with closing(connect_admin(kafka)) as admin:
        topic = topic_of(kafka, "click")
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, change)])


def held(kafka: KafkaSettings) -> int:
    """Clicks that can still be read."""
    partitions = [TopicPartition(topic_of(kafka, "click"), n) for n in range(kafka.partitions)]
    with closing(KafkaConsumer(**kafka.client_options())) as reader:
        first, end = reader.beginning_offsets(partitions), reader.end_offsets(partitions)
    return sum(end[partition] - first[partition] for partition in partitions)


def missing(kafka: KafkaSettings) -> float:
    labels = {"topic": topic_of(kafka, "click")}
    return REGISTRY.get_sample_value("adloom_stream_gap_events_total", labels) or 0.0


def test_what_nobody_read_is_counted_and_told_once(
    apache_kafka: KafkaSettings, store: FeatureStore, caplog: pytest.LogCaptureFixture
) -> None:
    kafka = apache_kafka
    produce(kafka, *clicks(0, 20))
    with EventConsumer(kafka, store) as consumer:
        consume(consumer, 20)
    produce(kafka, *clicks(20, 30))
    delete_all(kafka)
    consumer = EventConsumer(kafka, store)
    with running(consumer):
        produce(kafka, *clicks(50, 5))
        wait_until(lambda: accounted(consumer) == 5 and consumer.ready)
        notes = consumer.state.notes
        assert notes
        assert all("adloom backfill FILE" in note for note in notes)
    assert missing(kafka) == 30
    assert caplog.text.count("are missing") == len(notes)
    with EventConsumer(kafka, store) as again:
        produce(kafka, *clicks(55, 5))
        consume(again, 5)
        assert again.state.notes == ()
    assert missing(kafka) == 30
    assert clicks_of(store) == 30


def test_what_the_log_has_is_taken_from_it(
    apache_kafka: KafkaSettings, store: FeatureStore
) -> None:
    """Online features that are behind, by more than Kafka still holds."""
    kafka = apache_kafka
    produce(kafka, *clicks(0, 50))
    with EventConsumer(kafka, store) as consumer:
        consume(consumer, 50)
    delete_all(kafka)
    store.clear()
    consumer = EventConsumer(kafka, store)
    with running(consumer):
        produce(kafka, *clicks(50, 5))
        wait_until(lambda: clicks_of(store) == 55 and consumer.ready)
        assert consumer.state.notes == ()
    assert missing(kafka) == 0
    assert len(store.log.read("click")) == 55


def test_what_the_time_took(apache_kafka: KafkaSettings, store: FeatureStore) -> None:
    """By `retention.ms` itself: the log has what was read, the rest is told."""
    kafka = apache_kafka
    produce(kafka, *clicks(0, 50))
    with EventConsumer(kafka, store) as consumer:
        consume(consumer, 50)
    produce(kafka, *clicks(50, 30))
    assert held(kafka) == 80
    keep_for(kafka, 1)
    wait_until(lambda: held(kafka) == 0)
    keep_for(kafka, -1)
    store.clear()
    consumer = EventConsumer(kafka, store)
    with running(consumer):
        produce(kafka, *clicks(80, 5))
        wait_until(lambda: clicks_of(store) == 55 and consumer.ready)
        assert consumer.state.notes
    assert missing(kafka) == 30
    assert len(store.log.read("click")) == 55


def test_a_long_stretch_of_the_log_is_taken_in_pieces(
    apache_kafka: KafkaSettings, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adloom.stream.membership.placing._FILLING_SECONDS", 0.0)
    test_what_the_log_has_is_taken_from_it(apache_kafka, store)


def test_what_is_older_than_adloom_is_no_gap(
    apache_kafka: KafkaSettings, store: FeatureStore
) -> None:
    kafka = apache_kafka
    produce(kafka, *clicks(0, 30))
    delete_all(kafka)
    produce(kafka, *clicks(30, 10))
    with EventConsumer(kafka, store) as consumer:
        consume(consumer, 10)
        assert consumer.state.notes == ()
    delete_all(kafka)
    with EventConsumer(kafka, store) as consumer:
        while not consumer.has_partitions:
            consumer.poll()
        assert consumer.state.notes == ()
    assert missing(kafka) == 0
    assert clicks_of(store) == 10


def test_retention_overtakes_a_live_member(
    apache_kafka: KafkaSettings, store: FeatureStore
) -> None:
    """Where it stood is no more: it goes on at what there is, and says what it missed."""
    kafka = apache_kafka.model_copy(update={"max_batch": 5})
    produce(kafka, *clicks(0, 20))
    with EventConsumer(kafka, store) as consumer:
        while accounted(consumer) < 5:
            consumer.poll()
        # What the client holds in memory is read yet; what it asks for next is gone.
        produce(kafka, *clicks(20, 30))
        read = accounted(consumer)
        delete_all(kafka)
        produce(kafka, *clicks(50, 5))
        while clicks_of(store) + missing(kafka) < 55 or consumer.lag:
            consumer.poll()
        assert accounted(consumer) > read
        if missing(kafka):
            assert consumer.state.notes
    assert clicks_of(store) + missing(kafka) == 55


def test_the_newest_notes_are_kept() -> None:
    notes = Notes()
    for n in range(60):
        notes.gap(TopicPartition("shop.clicks", n), 3, 10)
    assert len(notes.lines) == 50
    assert "shop.clicks/59: up to 7 events are missing (offsets 3 to 9)" in notes.lines[-1]
