"""How much of the stream a row of the feature store already has in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from feature_store.event_log import LoggedEvent


@dataclass
class Progress:
    """The highest offset applied, for each partition of each topic.

    Offsets begin again when a topic is deleted and made anew, as the topics of a local broker
    are at every start: an offset counts only together with the id of its topic.
    """

    _applied: dict[str, tuple[str, int]] = field(default_factory=dict)

    @classmethod
    def from_text(cls, text: str) -> Progress:
        """Reads what `to_text` wrote."""
        stored: dict[str, tuple[str, int]] = json.loads(text)
        return cls({where: (topic_id, offset) for where, (topic_id, offset) in stored.items()})

    def to_text(self) -> str:
        """JSON: {"topic/partition": [topic id, offset]}."""
        return json.dumps(self._applied, separators=(",", ":"))

    def has(self, event: LoggedEvent) -> bool:
        """Whether the event is in the row already."""
        topic_id, offset = self._applied.get(_where(event), ("", -1))
        return topic_id == event.topic_id and event.offset <= offset

    def note(self, event: LoggedEvent) -> None:
        """From now on the row has the event."""
        if not self.has(event):
            self._applied[_where(event)] = (event.topic_id, event.offset)


def _where(event: LoggedEvent) -> str:
    return f"{event.topic}/{event.partition}"
