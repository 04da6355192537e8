"""What the stream lost before it was read, told: in the log, to Prometheus, and where readiness is.

Offsets are counted, not events: marks of transactions have offsets too, and what was no event.
"""

from __future__ import annotations

import logging

from kafka import TopicPartition

from adloom.stream import metrics

_log = logging.getLogger(__name__)

_MOST_NOTES = 50


class Notes:
    """Lines for whoever looks after the stream; they stay while the process lives."""

    def __init__(self) -> None:
        self._lines: dict[str, None] = {}

    @property
    def lines(self) -> tuple[str, ...]:
        """In the order they came; the oldest of many are left out."""
        return tuple(self._lines)[-_MOST_NOTES:]

    def tell(self, line: str) -> None:
        """Adds a line, and logs it as a warning."""
        _log.warning("%s", line)
        self._lines = self._lines | {line: None}  # anew: others may be reading

    def gap(self, partition: TopicPartition, first: int, end: int) -> None:
        """What was deleted with first <= offset < end is neither in Kafka nor in the log."""
        metrics.GAP_EVENTS.labels(partition.topic).inc(end - first)
        self.tell(
            f"{_name(partition)}: up to {end - first} events are missing (offsets {first} to "
            f"{end - 1}): Kafka deleted them before they were read, and adloom's event log has "
            "not got them; `adloom backfill FILE` takes them from a file"
        )

    def cut(self, partition: TopicPartition, offset: int) -> None:
        """Kafka has lost what was read of a partition before an offset."""
        self.tell(
            f"{_name(partition)}: Kafka has lost records that were read (before offset {offset}, "
            "as after an unclean election of a leader): the partition is read from its "
            "beginning, and events that are known already count once"
        )


def _name(partition: TopicPartition) -> str:
    return f"{partition.topic}/{partition.partition}"
