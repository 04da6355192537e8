"""What became of the records of a consumer, counted for those who ask and for Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from adloom.stream import metrics
from adloom.stream.membership.batch import Batch


@dataclass(frozen=True)
class Counts:
    """What one consumer has done so far, by batches that are done.

    Attributes:
        consumed: valid events, duplicates included.
        dead_letters: refused payloads by reason.
        features_written: rows written to the online store.
        dropped: events that the settings leave out, by rule.
    """

    consumed: int = 0
    dead_letters: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    features_written: int = 0
    dropped: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def after(self, batch: Batch, rows: int) -> Counts:
        """The counts with one more batch, of which so many rows were written."""
        return Counts(
            self.consumed + len(batch.events),
            _sum(self.dead_letters, batch.reasons()),
            self.features_written + rows,
            _sum(self.dropped, batch.dropped),
        )

    def less(self, before: Counts) -> Counts:
        """What came on top of counts of before."""
        return Counts(
            self.consumed - before.consumed,
            _difference(self.dead_letters, before.dead_letters),
            self.features_written - before.features_written,
            _difference(self.dropped, before.dropped),
        )


def tell_metrics(batch: Batch, rows: int) -> None:
    """Counts a batch that is done, of which so many rows were written."""
    for kind, number in Counter(event.kind for event in batch.events).items():
        metrics.CONSUMED.labels(kind).inc(number)
    for reason, number in batch.reasons().items():
        metrics.DEAD_LETTERS.labels(reason).inc(number)
    for rule, number in batch.dropped.items():
        metrics.DROPPED.labels(rule).inc(number)
    metrics.FEATURES_WRITTEN.inc(rows)
    metrics.BATCH_EVENTS.observe(len(batch.events))


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> Mapping[str, int]:
    return MappingProxyType(dict(Counter(one) + Counter(other)))


def _difference(one: Mapping[str, int], other: Mapping[str, int]) -> Mapping[str, int]:
    return MappingProxyType(dict(Counter(one) - Counter(other)))
