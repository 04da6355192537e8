"""How the settings read payloads, without an effect: for whoever writes a map of own events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from adloom.stream.event_reader import Dropped, EventReader
from adloom.stream.events import Event, InvalidEvent, kind_of
from adloom.stream.headers import Headers
from adloom.stream.reading import read_to_end
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import event_topics


@dataclass(frozen=True)
class Payload:
    """Bytes, and where they are from."""

    place: str
    topic: str
    value: bytes
    headers: Headers = ()


@dataclass(frozen=True)
class Looked:
    """A payload's place, and what it is: an event, left out by a rule, or refused."""

    place: str
    found: Event | Dropped | InvalidEvent

    def told(self) -> dict[str, Any]:
        """The same for a program to read."""
        if isinstance(self.found, Dropped):
            return {"place": self.place, "dropped": self.found.rule}
        if isinstance(self.found, InvalidEvent):
            reason = {"reason": str(self.found.reason), "detail": self.found.detail}
            return {"place": self.place, "refused": reason}
        fields = self.found.model_dump(mode="json", exclude_none=True)
        return {"place": self.place, "kind": kind_of(self.found), "event": fields}


@dataclass
class Look:
    """What all payloads are, counted, and the first of them.

    Attributes:
        events: by kind.
        refused: by reason.
        dropped: by rule.
    """

    first: list[Looked] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)


def look(reader: EventReader, payloads: Iterable[Payload], shown: int) -> Look:
    """Reads every payload as the consumer would. Raises RegistryUnavailable."""
    now, seen = datetime.now(UTC), Look()
    for payload in payloads:
        found: Event | Dropped | InvalidEvent
        try:
            found = reader.of_topic(payload.topic)(payload.value, payload.headers, now)
        except InvalidEvent as error:
            found = error
        if isinstance(found, Dropped):
            seen.dropped[found.rule] += 1
        elif isinstance(found, InvalidEvent):
            seen.refused[str(found.reason)] += 1
        else:
            seen.events[kind_of(found)] += 1
        if len(seen.first) < shown:
            seen.first.append(Looked(payload.place, found))
    return seen


def payloads_of(kafka: KafkaSettings, most: int) -> Iterator[Payload]:
    """The first records that the topics of events hold, from the oldest. Raises BrokerUnavailable.

    Args:
        most: records of all topics together.
    """
    left = most
    for records in read_to_end(kafka, list(event_topics(kafka))):
        for source, part in records.items():
            for record in part[:left]:
                place = f"{source.topic}/{source.partition}/{record.offset}"
                yield Payload(place, source.topic, record.value or b"", record.headers)
            left -= min(left, len(part))
        if not left:
            return
