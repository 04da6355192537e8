"""How much of the stream is in the online features, and where to read on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from feast.protos.feast.types.Value_pb2 import Value

from adloom.feature_store.logged import LoggedEvent
from adloom.feature_store.wire import string_value

NOTHING = -1
"""The offset before the first."""
_ENTITIES = ""  # no topic is called so
_TOPIC_ID, _APPLIED, _DONE = range(3)


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


Reads = Mapping[int, Mapping[str, Progress]]
"""How far each partition number was taken, by topic."""


class TakenBack(NamedTuple):
    """Which time something was taken out of the features, and how many rows went by that so far."""

    mark: str = ""
    entities: int = 0

    @classmethod
    def of(cls, stored: bytes | None) -> Self:
        """Reads what `stored` gave; None: nothing was ever taken out."""
        if stored is None:
            return cls()
        return cls(*json.loads(Value.FromString(stored).string_val))

    def stored(self) -> bytes:
        """As the rows of all partitions have it."""
        return string_value(json.dumps(self))


@dataclass
class ProgressRow:
    """The progress of one partition number, by topic.

    Attributes:
        entities: how many users, items and pages were made with its events, itself too; what
            is gone is missed by it. None where an earlier version made some.
        taken_back: what was taken out of the features last, as stored: another one means that rows
            have less than they had, and that nothing is lost by it. See `TakenBack`.
    """

    entities: int | None = 0
    taken_back: bytes | None = None
    _places: dict[str, list[Any]] = field(default_factory=dict)  # as `Progress`, to be changed

    @classmethod
    def from_values(cls, values: Mapping[str, bytes]) -> Self:
        """Reads what `to_values` wrote; what an earlier version wrote was done when it ended."""
        taken_back = values.get("taken_back")
        if "progress" not in values:
            return cls(taken_back=taken_back)
        places: dict[str, Any] = json.loads(Value.FromString(values["progress"]).string_val)
        entities = places.pop(_ENTITIES, None)
        for place in places.values():
            place[2:] = place[2:] or [place[_APPLIED]]
        return cls(entities, taken_back, places)

    def to_values(self) -> dict[str, bytes]:
        """JSON: {topic: [topic id, applied, done], "": entities}; none where nothing was read."""
        if not self._places:
            return {}
        told: dict[str, object] = dict(self._places)
        if self.entities is not None:
            told[_ENTITIES] = self.entities
        return {"progress": string_value(json.dumps(told, separators=(",", ":")))}

    @property
    def topics(self) -> dict[str, Progress]:
        """The progress by topic."""
        return {topic: Progress(*place) for topic, place in self._places.items()}

    def known(self) -> dict[str, bytes | None]:
        """What the store has, for a writer that wants it unchanged."""
        return {"progress": self.to_values().get("progress"), "taken_back": self.taken_back}

    def changes(self) -> dict[str, bytes]:
        """All of it: it changes with every batch."""
        return self.to_values()

    def advance(
        self, topic: str, topic_id: str, events: Iterable[LoggedEvent]
    ) -> list[LoggedEvent]:
        """Notes events of one topic, by offset; gives those that the features do not have yet."""
        place = self._places.get(topic)
        known = place is not None and place[_TOPIC_ID] == topic_id
        applied = place[_APPLIED] if place is not None and known else NOTHING
        new = []
        for event in events:
            if event.offset > applied:
                applied = event.offset
                new.append(event)
        if new:
            self._reach(topic, topic_id, applied)
        return new

    def reach(self, reached: Reached) -> None:
        """Notes that all up to there is in the features."""
        self._reach(reached.topic, reached.topic_id, reached.offset)

    def settle(self, reached: Reached) -> None:
        """Notes that all up to there is done; news of a topic that is no more are left."""
        place = self._places.get(reached.topic)
        if place is not None and place[_TOPIC_ID] == reached.topic_id:
            place[_DONE] = min(max(place[_DONE], reached.offset), place[_APPLIED])

    def _reach(self, topic: str, topic_id: str, offset: int) -> None:
        place = self._places.get(topic)
        if place is None or place[_TOPIC_ID] != topic_id:
            self._places[topic] = [topic_id, offset, NOTHING]
        else:
            place[_APPLIED] = max(place[_APPLIED], offset)


def last_of(events: Sequence[LoggedEvent]) -> list[Reached]:
    """The last event of each partition of each topic; they are in the order of offsets."""
    last = {(event.topic, event.partition): event for event in events}
    return [Reached(*place, event.topic_id, event.offset) for place, event in last.items()]


def partitions_of(reached: Iterable[Reached]) -> set[int]:
    """The numbers of the partitions."""
    return {place.partition for place in reached}
