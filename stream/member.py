"""A client that is one member of the consumer group, as adloom wants it."""

from __future__ import annotations

from collections.abc import Iterable

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor

from adloom.feature_store.progress import Reached
from adloom.stream.fetches import READ_COMMITTED
from adloom.stream.settings import KafkaSettings

_HEARTBEATS_IN_A_SESSION = 5
_FETCH_WAIT_MILLISECONDS = 100  # the local broker answers a fetch that waits after half of this
_METADATA_MILLISECONDS = 5_000  # partitions that were raised are noticed after this


def open_member(kafka: KafkaSettings) -> KafkaConsumer:
    """It subscribes to nothing yet, and reads nothing whose place nobody has told it."""
    session = int(kafka.session_seconds * 1000)
    return KafkaConsumer(
        **kafka.client_options(),
        **READ_COMMITTED,
        group_id=kafka.group_id,
        enable_auto_commit=False,
        auto_offset_reset="none",
        allow_auto_create_topics=False,
        fetch_max_wait_ms=_FETCH_WAIT_MILLISECONDS,
        metadata_max_age_ms=_METADATA_MILLISECONDS,
        max_poll_records=kafka.max_batch,
        session_timeout_ms=session,
        heartbeat_interval_ms=session // _HEARTBEATS_IN_A_SESSION,
        # Partition 3 of every topic goes to the same member: it owns those users and shards.
        partition_assignment_strategy=[RangePartitionAssignor],
    )


def offsets_after(reached: Iterable[Reached]) -> dict[TopicPartition, OffsetAndMetadata]:
    """What is committed for places that were reached: Kafka wants the offset that comes next."""
    return {
        TopicPartition(place.topic, place.partition): OffsetAndMetadata(place.offset + 1, "", -1)
        for place in reached
    }


def lag_of(member: KafkaConsumer, partitions: Iterable[TopicPartition]) -> int:
    """Offsets that were not read yet, as the broker told with the last fetch."""
    lag = 0
    for partition in partitions:
        end = member.highwater(partition)
        if end is not None:  # it was fetched from: its position is known
            lag += max(0, end - (member.position(partition, timeout_ms=0) or 0))
    return lag
