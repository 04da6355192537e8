"""Topics from their first record to the last one there is, outside any consumer group.

The last one is the last that is settled: what transactions that are still open have sent is not
read, nor what comes after it, and records of transactions that were aborted are none.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from adloom.stream.cluster.reaching import why_away
from adloom.stream.membership.batch import Records
from adloom.stream.membership.fetches import READ_COMMITTED, Fetches, UnreadablePartition
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import BrokerUnavailable, check_topics

_POLL_MILLISECONDS = 200
_PATIENCE_SECONDS = 30.0


def read_to_end(kafka: KafkaSettings, topics: Sequence[str]) -> Iterator[Records]:
    """Everything that the topics hold when reading begins, and perhaps a little more.

    Raises BrokerUnavailable, KafkaRefused.
    """
    check_topics(kafka, dict.fromkeys(topics, frozenset({"Read"})))
    try:
        consumer = KafkaConsumer(
            **kafka.client_options(),
            **READ_COMMITTED,
            auto_offset_reset="earliest",  # what is deleted while reading is not missed
            allow_auto_create_topics=False,
            max_poll_records=kafka.max_batch,
        )
        try:
            fetches = Fetches(consumer)
            yield from _records(consumer, fetches, _partitions(consumer, topics))
        finally:
            consumer.close()
    except UnreadablePartition as error:
        raise BrokerUnavailable(str(error)) from error
    except (KafkaError, OSError) as error:
        raise why_away(error, kafka) from error


def _partitions(consumer: KafkaConsumer, topics: Sequence[str]) -> list[TopicPartition]:
    partitions = []
    for topic in topics:
        numbers = consumer.partitions_for_topic(topic)
        if not numbers:
            raise BrokerUnavailable(f"the broker does not offer the topic {topic}")
        partitions += [TopicPartition(topic, number) for number in sorted(numbers)]
    return partitions


def _records(
    consumer: KafkaConsumer, fetches: Fetches, partitions: list[TopicPartition]
) -> Iterator[Records]:
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    ends: dict[TopicPartition, int] = {}  # as the broker told with the first fetch
    seen = -1
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while len(ends) < len(partitions) or any(
        consumer.position(partition) < end for partition, end in ends.items()
    ):
        records: Records = consumer.poll(timeout_ms=_POLL_MILLISECONDS)
        ends = fetches.stable_ends | ends
        if records:
            yield records
        # Positions also move over marks of transactions, without a record.
        moved = sum(consumer.position(partition, timeout_ms=0) or 0 for partition in partitions)
        if records or moved > seen:
            seen = moved
            deadline = time.monotonic() + _PATIENCE_SECONDS
        elif time.monotonic() > deadline:
            raise BrokerUnavailable(f"no record came for {_PATIENCE_SECONDS:.0f} s")
