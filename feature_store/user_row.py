"""A user's row of counts: open, it changes in memory and is written as Feast's bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from feast.protos.feast.types.Value_pb2 import Value

from adloom.feature_store import wire
from adloom.feature_store.known_events import KnownEvents
from adloom.feature_store.marks import RowMarks
from adloom.feature_store.rows import CountsRow, Values


@dataclass(slots=True)
class UserRow:
    """Counts of a user, and the events that are in them: what comes again is known."""

    counts: CountsRow = field(default_factory=CountsRow)
    events: KnownEvents = field(default_factory=KnownEvents)
    marks: RowMarks | None = field(default=None, repr=False, compare=False)

    @property
    def torn(self) -> bool:
        """Whether it is stored, but not all of it."""
        return self.counts.torn

    @torn.setter
    def torn(self, torn: bool) -> None:
        self.counts.torn = torn

    @classmethod
    def from_values(cls, values: Values) -> Self:
        counts = CountsRow.from_values(values)
        stored = values.get("recent_events")
        if stored is None:
            counts.torn = True
            return cls(counts)
        return cls(counts, KnownEvents.decode(Value.FromString(stored).bytes_val))

    def to_values(self) -> dict[str, bytes]:
        return self.counts.to_values() | {"recent_events": self.known_events()}

    def known_events(self) -> bytes:
        """What the row says of its events."""
        return wire.bytes_value(self.events.encode())

    def changes(self) -> dict[str, bytes]:
        changed = self.counts.changes()
        changed["recent_events"] = self.known_events()
        return changed
