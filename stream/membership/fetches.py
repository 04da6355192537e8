"""What kafka-python does not tell of its fetches, though it knows, and what it gets wrong.

Which partition a fetch failed for; and where the records end that are settled, without those of
transactions that are still open. Moreover a batch that cannot be unpacked is given up here: the
client would look for its next record for ever, and no call would come back.
"""

from __future__ import annotations

from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import (
    CorruptRecordError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
    UnsupportedCodecError,
)

READ_COMMITTED = {"isolation_level": "read_committed"}
"""Option of a consumer: events of transactions that were aborted, or are open, are none."""

_TOLD_BY_THE_CLIENT = (OffsetOutOfRangeError, TopicAuthorizationFailedError)
_LIBRARIES = {"snappy": "python-snappy", "lz4": "lz4", "zstd": "zstandard"}


class UnreadablePartition(RuntimeError):
    """Records of a partition that cannot be read; the message says which and why."""

    def __init__(self, partition: TopicPartition, offset: int, error: Exception) -> None:
        place = f"{partition.topic}/{partition.partition}"
        super().__init__(f"{place} cannot be read from offset {offset}: {_why(error)}")
        self.partition = partition
        self.offset = offset


class Fetches:
    """Watches the fetches of one consumer.

    Attributes:
        stable_ends: the offset after the last settled record, as of the last fetch.
    """

    def __init__(self, consumer: KafkaConsumer) -> None:
        """Begin before the first poll."""
        self.stable_ends: dict[TopicPartition, int] = {}
        fetcher = consumer._fetcher
        self._parse = fetcher._parse_fetched_data
        fetcher._parse_fetched_data = self._look
        fetcher.PartitionRecords = _Records

    def _look(self, fetch: Any) -> Any:
        end = fetch.partition_data.last_stable_offset
        if end is not None and end >= 0:
            self.stable_ends[fetch.topic_partition] = end
        try:
            return self._parse(fetch)
        except _TOLD_BY_THE_CLIENT:
            raise
        except Exception as error:
            raise UnreadablePartition(fetch.topic_partition, fetch.fetched_offset, error) from error


def await_join(consumer: KafkaConsumer) -> None:
    """Makes the next poll wait for a join of the group that an earlier one has begun.

    The client itself forgets one that it began because of new metadata, such as raised partitions,
    when the group's answer takes longer than that poll: it would have no partitions for ever.
    """
    coordinator = consumer._coordinator
    if coordinator.rejoining:
        coordinator.request_rejoin()


class _Records(Fetcher.PartitionRecords):
    def take(self, n: int | None = None) -> list[Any]:
        try:
            return super().take(n)
        except Exception as error:
            self.drain()
            raise UnreadablePartition(
                self.topic_partition, self.next_fetch_offset, error
            ) from error


def _why(error: Exception) -> str:
    if isinstance(error, UnsupportedCodecError):
        for codec, library in _LIBRARIES.items():
            if codec in str(error):
                return f"it is compressed with {codec}, whose library is missing: install {library}"
    if isinstance(error, CorruptRecordError):
        return f"its bytes are damaged: {error}; kafka-delete-records.sh removes what is damaged"
    return f"{type(error).__name__}: {error}"
