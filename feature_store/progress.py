"""How much of the stream is in the online features, and where to read on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from feast.protos.feast.types.Value_pb2 import Value

from adloom.feature_store.event_log import LoggedEvent
from adloom.feature_store.wire import string_value

NOTHING = -1
"""The offset before the first."""


class Reached(NamedTuple):
    """The last record that was read of a partition, whatever it was."""

    topic: str
    partition: int
    topic_id: str
    offset: int


class Progress(NamedTuple):
    """How far a partition of a topic was taken.

    Attributes:
        topic_id: offsets begin again when a topic is made anew, as those of a local broker are at
            every start: they count only together with the id of their topic.
        applied: the highest offset that is in the features; -1 where none is.
        done: the highest offset of which the rest is done too, the log and dead letters. Reading
            goes on after it: what lies between the two comes again and is left out.
    """

    topic_id: str
    applied: int
    done: int


@dataclass
class ProgressRow:
    """The progress of one partition number, by topic."""

    topics: dict[str, Progress] = field(default_factory=dict)

    @classmethod
    def from_values(cls, values: Mapping[str, bytes]) -> Self:
        """Reads what `to_values` wrote; what an earlier version wrote was done when it ended."""
        told: dict[str, list[str | int]] = json.loads(
            Value.FromString(values["progress"]).string_val
        )
        return cls({topic: _progress(*place) for topic, place in told.items()})

    def to_values(self) -> dict[str, bytes]:
        """JSON: {topic: [topic id, applied, done]}; no row where nothing was applied."""
        if not self.topics:
            return {}
        return {"progress": string_value(json.dumps(self.topics, separators=(",", ":")))}

    def changes(self) -> dict[str, bytes]:
        """All of it: it changes with every batch."""
        return self.to_values()

    def advance(self, event: LoggedEvent) -> bool:
        """Notes the event; False when the features have it already."""
        return self._reach(event.topic, event.topic_id, event.offset)

    def reach(self, reached: Reached) -> None:
        """Notes that all up to there is in the features."""
        self._reach(reached.topic, reached.topic_id, reached.offset)

    def settle(self, reached: Reached) -> None:
        """Notes that all up to there is done; news of a topic that is no more are left."""
        known = self.topics.get(reached.topic)
        if known is not None and known.topic_id == reached.topic_id:
            done = min(max(known.done, reached.offset), known.applied)
            self.topics[reached.topic] = known._replace(done=done)

    def _reach(self, topic: str, topic_id: str, offset: int) -> bool:
        known = self.topics.get(topic)
        if known is None or known.topic_id != topic_id:
            self.topics[topic] = Progress(topic_id, offset, NOTHING)
            return True
        if offset <= known.applied:
            return False
        self.topics[topic] = Progress(topic_id, offset, known.done)
        return True


def last_of(events: Sequence[LoggedEvent]) -> list[Reached]:
    """The last event of each partition of each topic; they are in the order of offsets."""
    last = {(event.topic, event.partition): event for event in events}
    return [Reached(*place, event.topic_id, event.offset) for place, event in last.items()]


def partitions_of(reached: Iterable[Reached]) -> set[int]:
    """The numbers of the partitions."""
    return {place.partition for place in reached}


def _progress(topic_id: str, applied: int, done: int | None = None) -> Progress:
    return Progress(topic_id, applied, applied if done is None else done)
