"""Partitions whose records cannot be read stand still for a while, so that the others go on."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass

from kafka import TopicPartition

from adloom.stream import metrics
from adloom.stream.membership.fetches import UnreadablePartition

_log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0


@dataclass
class _Hold:
    problem: str
    until: float
    pause: float


class Holds:
    """What is held of one member's partitions."""

    def __init__(self) -> None:
        self._holds: dict[TopicPartition, _Hold] = {}

    @property
    def problem(self) -> str | None:
        """Why the first of them is held; None when all can be read."""
        return next((hold.problem for hold in self._holds.values()), None)

    def hold(self, error: UnreadablePartition) -> None:
        """Notes that a partition is to stand still; each time in a row for longer."""
        known = self._holds.get(error.partition)
        pause = min(2 * known.pause, _LONGEST_PAUSE_SECONDS) if known else _FIRST_PAUSE_SECONDS
        self._holds[error.partition] = _Hold(str(error), time.monotonic() + pause, pause)
        metrics.FAILURES.labels(type(error).__name__).inc()
        _log.warning("next try in %.1f s: %s", pause, error)

    def due(self) -> list[TopicPartition]:
        """Those that may be tried again. They count as held until they are let go."""
        now = time.monotonic()
        due = [partition for partition, hold in self._holds.items() if hold.until <= now]
        for partition in due:
            self._holds[partition].until = float("inf")
        return due

    def keep(self, partitions: Collection[TopicPartition]) -> None:
        """All others are not this member's any more."""
        self.let_go(self._holds.keys() - set(partitions))

    def let_go(self, partitions: Collection[TopicPartition]) -> None:
        """These were read, or have another place."""
        for partition in self._holds.keys() & set(partitions):
            del self._holds[partition]
