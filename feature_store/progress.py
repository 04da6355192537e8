"""How much of the stream is in the online features."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from feast.protos.feast.types.Value_pb2 import Value

from adloom.feature_store.event_log import LoggedEvent
from adloom.feature_store.wire import string_value


@dataclass
class ProgressRow:
    """The highest offset applied of one partition, for each topic.

    Offsets begin again when a topic is deleted and made anew, as the topics of a local broker
    are at every start: an offset counts only together with the id of its topic.
    """

    applied: dict[str, tuple[str, int]] = field(default_factory=dict)

    @classmethod
    def from_values(cls, values: Mapping[str, bytes]) -> Self:
        """Reads what `to_values` wrote."""
        text = Value.FromString(values["progress"]).string_val
        return cls({topic: (topic_id, at) for topic, (topic_id, at) in json.loads(text).items()})

    def to_values(self) -> dict[str, bytes]:
        """JSON: {topic: [topic id, offset]}; no row where nothing was applied."""
        if not self.applied:
            return {}
        return {"progress": string_value(json.dumps(self.applied, separators=(",", ":")))}

    def changes(self) -> dict[str, bytes]:
        """All of it: it changes with every batch."""
        return self.to_values()

    def advance(self, event: LoggedEvent) -> bool:
        """Notes the event; False when the features have it already."""
        topic_id, offset = self.applied.get(event.topic, ("", -1))
        if topic_id == event.topic_id and event.offset <= offset:
            return False
        self.applied[event.topic] = (event.topic_id, event.offset)
        return True
