"""Batches that cannot be read hold up their partition alone, and are told in words."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from kafka import KafkaProducer

from adloom.feature_store.store import FeatureStore
from adloom.stream.consumer import EventConsumer
from adloom.stream.events import encode
from adloom.stream.reading import read_to_end
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import BrokerUnavailable, topic_of
from tests.kafka_cluster import ApacheKafka
from tests.sample_events import click
from tests.stream.test_consumer import running, wait_until
from tests.stream.test_outages import clicks_of

CODECS = ["gzip", "snappy", "lz4", "zstd"]


def send(
    kafka: KafkaSettings,
    partition: int,
    names: str,
    codec: str | None = None,
    user_id: str | None = None,
) -> None:
    """One batch of clicks, one for each letter, to a partition of its own choosing."""
    producer = KafkaProducer(
        **kafka.client_options(), compression_type=codec, linger_ms=200, acks="all"
    )
    for name in names:
        event = click(name, user_id=user_id or f"user-{partition}")
        producer.send(topic_of(kafka, "click"), value=encode(event), partition=partition)
    producer.flush()
    producer.close()


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_of_kafka_is_read(
    codec: str, kafka: KafkaSettings, store: FeatureStore
) -> None:
    send(kafka, 0, "abcdefgh", codec)
    with running(EventConsumer(kafka, store)) as consumer:
        wait_until(lambda: clicks_of(store) == 8 and consumer.ready)


def test_large_batches_are_read_whole(apache_kafka: KafkaSettings, store: FeatureStore) -> None:
    """Of several MB once they are unpacked, as Java's clients make them of small ones."""
    producer = KafkaProducer(
        **apache_kafka.client_options(), compression_type="zstd", linger_ms=1_000, batch_size=2**23
    )
    for n in range(2_000):
        event = click(f"c{n}", context={"page": "x" * 2_000})
        producer.send(topic_of(apache_kafka, "click"), value=encode(event), partition=0)
    producer.flush()
    producer.close()
    with running(EventConsumer(apache_kafka, store)) as consumer:
        wait_until(lambda: clicks_of(store) == 2_000 and consumer.ready)


def test_a_codec_that_is_missing_is_named_and_other_partitions_go_on(
    kafka: KafkaSettings, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        # The codec is there for the producer and gone for the consumer.
        send(kafka, 0, "ab")
        send(kafka, 0, "cd", "snappy")
        send(kafka, 0, "ef")
        patched.setattr("kafka.codec.has_snappy", lambda: False)
        with running(EventConsumer(kafka, store)) as consumer:
            wait_until(lambda: consumer.state.problem is not None and "snappy" in problem(consumer))
            assert "install python-snappy" in problem(consumer)
            send(kafka, 1, "gh")
            wait_until(lambda: clicks_of(store) == 4)
            assert not consumer.ready
            with pytest.raises(BrokerUnavailable, match="install python-snappy"):
                list(read_to_end(kafka, [topic_of(kafka, "click")]))
            patched.undo()
            wait_until(lambda: clicks_of(store) == 8 and consumer.ready)


def problem(consumer: EventConsumer) -> str:
    return consumer.state.problem or ""


def test_a_member_that_cannot_read_ends_when_it_is_told_to_and_does_not_spin(
    kafka: KafkaSettings, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(kafka, 0, "ab", "zstd")
    monkeypatch.setattr("kafka.codec.has_zstd", lambda: False)
    consumer, stop, polls = EventConsumer(kafka, store), threading.Event(), [0]
    real: Callable[[], int] = consumer.poll

    def counted() -> int:
        polls[0] += 1
        return real()

    monkeypatch.setattr(consumer, "poll", counted)
    thread = threading.Thread(target=consumer.run, args=(stop,))
    thread.start()
    wait_until(lambda: "zstandard" in problem(consumer))
    seen, before = polls[0], time.process_time()
    time.sleep(2)
    assert polls[0] - seen <= 40
    assert time.process_time() - before < 1.5  # of a core: others in this process use some
    stop.set()
    thread.join(timeout=10)
    assert not thread.is_alive()
    consumer.close()
    assert not consumer.ready


def test_damaged_bytes_are_told_and_other_partitions_go_on(
    apache: ApacheKafka, apache_kafka: KafkaSettings, store: FeatureStore
) -> None:
    if apache_kafka.bootstrap_servers != apache.bootstrap_servers:
        pytest.skip("the data of this cluster is out of reach")
    send(apache_kafka, 0, "ab")
    topic = topic_of(apache_kafka, "click")
    damage(next(apache.data(1).glob(f"{topic}-0/*.log")))
    with running(EventConsumer(apache_kafka, store)) as consumer:
        wait_until(lambda: "bytes are damaged" in problem(consumer))
        assert f"{topic}/0 cannot be read from offset 0" in problem(consumer)
        send(apache_kafka, 1, "cd")
        wait_until(lambda: clicks_of(store) == 2)
        assert not consumer.ready


def damage(segment: Path) -> None:
    """Turns the last byte of a segment: the broker hands it out as it is."""
    with segment.open("r+b") as file:
        file.seek(-1, 2)
        [last] = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last ^ 0xFF]))
