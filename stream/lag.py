"""How far a consumer group is behind."""

from __future__ import annotations

from kafka import TopicPartition
from kafka.admin import OffsetSpec

from stream.settings import KafkaSettings
from stream.topics import connect_admin, event_topics


class GroupLag:
    """Asks the broker, from any thread.

    Tansu, the local broker, names the first offset of a partition's last batch as its end, so
    there the lag reads low by part of a batch.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._group = settings.group_id
        self._admin = connect_admin(settings)
        topics = self._admin.describe_topics(list(event_topics(settings)))
        self._partitions = [
            TopicPartition(topic["name"], number)
            for topic in topics
            for number in range(len(topic["partitions"]))
        ]

    def read(self) -> int:
        """Events that the group has not committed, over all partitions of its topics."""
        committed = self._admin.list_group_offsets({self._group: self._partitions})[self._group]
        ends = self._offsets(OffsetSpec.LATEST)
        starts = self._offsets(OffsetSpec.EARLIEST)
        lag = 0
        for partition, end in ends.items():
            known = committed.get(partition)
            # A group that never committed, or whose place was deleted, begins at the start.
            at = max(starts[partition], known.offset if known is not None else 0)
            lag += max(0, end - at)
        return lag

    def close(self) -> None:
        """Lets the connection go."""
        self._admin.close()

    def _offsets(self, spec: OffsetSpec) -> dict[TopicPartition, int]:
        found = self._admin.list_partition_offsets(dict.fromkeys(self._partitions, spec))
        return {partition: at.offset for partition, at in found.items()}
