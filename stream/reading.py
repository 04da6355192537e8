"""Topics from their first record to the last one there is, outside any consumer group."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from adloom.stream.batch import Records
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import BrokerUnavailable

_POLL_MILLISECONDS = 200
_PATIENCE_SECONDS = 30.0


def read_to_end(kafka: KafkaSettings, topics: Sequence[str]) -> Iterator[Records]:
    """Everything that the topics hold when reading begins, and perhaps a little more.

    Raises BrokerUnavailable.
    """
    try:
        consumer = KafkaConsumer(
            **kafka.client_options(),
            allow_auto_create_topics=False,
            max_poll_records=kafka.max_batch,
        )
        try:
            yield from _records(consumer, _partitions(consumer, topics))
        finally:
            consumer.close()
    except (KafkaError, OSError) as error:
        raise BrokerUnavailable(
            f"{', '.join(topics)} cannot be read from {kafka.bootstrap_servers}: {error}"
        ) from error


def _partitions(consumer: KafkaConsumer, topics: Sequence[str]) -> list[TopicPartition]:
    partitions = []
    for topic in topics:
        numbers = consumer.partitions_for_topic(topic)
        if not numbers:
            raise BrokerUnavailable(f"the broker does not offer the topic {topic}")
        partitions += [TopicPartition(topic, number) for number in sorted(numbers)]
    return partitions


def _records(consumer: KafkaConsumer, partitions: list[TopicPartition]) -> Iterator[Records]:
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    ends: dict[TopicPartition, int] = {}  # the broker tells them with the first fetch
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while len(ends) < len(partitions) or any(
        consumer.position(partition) < end for partition, end in ends.items()
    ):
        records: Records = consumer.poll(timeout_ms=_POLL_MILLISECONDS)
        for partition in partitions:
            if partition not in ends and consumer.highwater(partition) is not None:
                ends[partition] = consumer.highwater(partition)
        if records:
            yield records
            deadline = time.monotonic() + _PATIENCE_SECONDS
        elif time.monotonic() > deadline:
            raise BrokerUnavailable(f"no record came for {_PATIENCE_SECONDS:.0f} s")
