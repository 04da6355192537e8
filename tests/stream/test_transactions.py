"""Events of transactions count once they are committed, and no others ever do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from confluent_kafka import Producer
from kafka import TopicPartition

from adloom.feature_store.store import FeatureStore
from adloom.loop.replay import past_events
from adloom.stream.consumer import EventConsumer
from adloom.stream.events import Event, encode, kind_of
from adloom.stream.reading import read_to_end
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import connect_admin, topic_of
from tests.stream.test_consumer import consume, produce, running, wait_until
from tests.stream.test_outages import clicks, clicks_of


class Transactions:
    """A producer with one transaction at a time."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self.producer = Producer(
            {
                "bootstrap.servers": kafka.bootstrap_servers,
                "transactional.id": kafka.group_id,
                "partitioner": "murmur2_random",
                "log_level": 0,
            }
        )
        self.producer.init_transactions(30)

    def send(self, events: Sequence[Event]) -> None:
        """They are at the broker on return, in a transaction that stays open."""
        self.producer.begin_transaction()
        for event in events:
            topic = topic_of(self._kafka, kind_of(event))
            self.producer.produce(topic, encode(event), event.user_id)
        self.producer.flush()

    def commit(self) -> None:
        self.producer.commit_transaction(30)

    def abort(self) -> None:
        self.producer.abort_transaction(30)


@contextmanager
def some_of_each(kafka: KafkaSettings) -> Iterator[Transactions]:
    """Five committed, four aborted, then five in a transaction that is open in the block."""
    transactions = Transactions(kafka)
    transactions.send(clicks(0, 5))
    transactions.commit()
    transactions.send(clicks(100, 4))
    transactions.abort()
    transactions.send(clicks(200, 5))
    yield transactions


def test_only_committed_events_count(apache_kafka: KafkaSettings, store: FeatureStore) -> None:
    with (
        some_of_each(apache_kafka) as open_one,
        running(EventConsumer(apache_kafka, store)) as consumer,
    ):
        wait_until(lambda: clicks_of(store) == 5 and consumer.ready)
        # An open transaction is lag: it holds up what comes after it.
        wait_until(lambda: consumer.lag > 0)
        open_one.commit()
        wait_until(lambda: clicks_of(store) == 10 and consumer.lag == 0)
        open_one.send(clicks(300, 3))
        open_one.abort()
        produce(apache_kafka, *clicks(400, 1))
        wait_until(lambda: clicks_of(store) == 11 and consumer.lag == 0)
        assert consumer.state.notes == ()
    assert len(store.log.read("click")) == 11


def test_reading_to_the_end_reads_what_is_committed_and_never_hangs(
    apache_kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adloom.stream.reading._PATIENCE_SECONDS", 10.0)

    def found() -> int:
        return sum(map(len, past_events.from_kafka(apache_kafka)))

    with some_of_each(apache_kafka) as open_one:
        assert found() == 5
        open_one.commit()
        assert found() == 10  # and the last there is, in each partition, is a mark
        topics = [topic_of(apache_kafka, "impression")]
        assert list(read_to_end(apache_kafka, topics)) == []


def test_marks_at_the_end_are_no_gap_and_no_lag(
    apache_kafka: KafkaSettings, store: FeatureStore
) -> None:
    """They have offsets, and are deleted like records."""
    kafka = apache_kafka
    transactions = Transactions(kafka)
    transactions.send(clicks(0, 20))
    transactions.commit()
    partitions = [TopicPartition(topic_of(kafka, "click"), n) for n in range(kafka.partitions)]
    with EventConsumer(kafka, store) as consumer:
        consume(consumer, 20)
        wait_until(lambda: not consumer.poll() and consumer.lag == 0)
        admin = connect_admin(kafka)
        try:
            ends = admin.list_partition_offsets(dict.fromkeys(partitions, -1))

            def all_seen_as_read() -> bool:
                consumer.poll()
                seen = admin.list_group_offsets([kafka.group_id])[kafka.group_id]
                return all(seen[tp].offset == ends[tp].offset for tp in partitions)

            wait_until(all_seen_as_read)
            admin.delete_records(dict.fromkeys(partitions, -1))
        finally:
            admin.close()
    with EventConsumer(kafka, store) as again:
        produce(kafka, *clicks(20, 5))
        consume(again, 5)
        assert again.state.notes == ()
    assert clicks_of(store) == 25
