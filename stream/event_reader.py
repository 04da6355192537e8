"""What a record of Kafka is: an event, whatever form it has, or one to leave out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from pydantic_core import from_json

from adloom.stream.drop import dropping
from adloom.stream.event_settings import EventSettings, FieldMap
from adloom.stream.events import (
    EVENT_TYPES,
    MAX_PAYLOAD_BYTES,
    Event,
    InvalidEvent,
    Kind,
    Reason,
    parse,
    refuse_future,
)
from adloom.stream.headers import Headers, mark_of
from adloom.stream.own_events import OwnEvents
from adloom.stream.paths import taking
from adloom.stream.registry import SchemaRegistry
from adloom.stream.settings import KafkaSettings
from adloom.stream.topic_names import event_topics, refuse_untold_kinds, takes_outcomes

_SHOPS_KINDS: tuple[Kind, ...] = ("impression", "click", "outcome")

OTHER_KIND = "kind"
"""Counts as the rule that leaves out events of kinds that adloom does not read."""


class Dropped(NamedTuple):
    """An event that a rule of the settings leaves out."""

    rule: str


Read = Callable[[bytes, Headers, datetime], Event | Dropped]
"""From payload, headers and the time now to an event. It raises InvalidEvent."""


class EventReader:
    """Reads records by the settings; without any, as adloom's own events at the cost of these.

    Attributes:
        takes_outcomes: whether there is a topic that outcomes go to.
    """

    def __init__(self, kafka: KafkaSettings, events: EventSettings | None = None) -> None:
        """Raises ValueError as `refuse_untold_kinds` does; RegistryUnavailable."""
        self._events = events = events or EventSettings()
        refuse_untold_kinds(kafka, events)
        self.takes_outcomes = takes_outcomes(kafka)
        self._drop = dropping(events.drop)
        self._registry = SchemaRegistry(kafka.registry) if kafka.registry.url else None
        self._kind_of = _telling(events)
        self._mapped = {kind for kind in EVENT_TYPES if events.map_of(kind)}
        self._own = {kind: self._reader(kind) for kind in EVENT_TYPES}
        self._topics: dict[str, Read] = {}
        self._plain: dict[str, Kind] = {}
        for topic, kinds in event_topics(kafka).items():
            self._topics[topic] = self._of_topic(topic, kinds)

    def of_topic(self, topic: str) -> Read:
        """What reads the records of a topic. Raises KeyError where it carries no events."""
        return self._topics[topic]

    def plain_kind(self, topic: str) -> Kind | None:
        """The kind of a topic whose records `parse` reads alone, as nothing is set for them."""
        return self._plain.get(topic)

    @property
    def has_own_form(self) -> bool:
        """Whether impressions, clicks or outcomes are in a form of the shop's."""
        return not self._mapped.isdisjoint(_SHOPS_KINDS)

    @property
    def drops(self) -> bool:
        """Whether there are rules that leave events out."""
        return bool(self._events.drop)

    def rule_against(self, own: Mapping[str, Any]) -> str | None:
        """The rule that leaves an event out; None where none does."""
        return self._drop(own)

    def read_own(self, kind: Kind | None, own: Mapping[str, Any], now: datetime) -> Event | Dropped:
        """The event that an object in the shop's form is.

        Args:
            kind: None where the payload tells it itself.

        Raises InvalidEvent; it names the field as the shop does.
        """
        rule = self._drop(own)
        if rule is not None:
            return Dropped(rule)
        kind = kind or self._kind_of(own)
        if kind is None:
            return Dropped(OTHER_KIND)
        reader = self._own[kind]
        event = reader.read(own)
        refuse_future(event, now, reader.name_of("ts"))
        return event

    def _reader(self, kind: Kind) -> OwnEvents:
        fields = self._events.map_of(kind)
        return OwnEvents(kind, fields or FieldMap(), rest=fields is None)

    def _of_topic(self, topic: str, kinds: tuple[Kind, ...]) -> Read:
        alone = kinds[0] if len(kinds) == 1 else None
        own_exposures = alone == "exposure"  # they are adloom's: nothing there is left out
        tells = self._events.kind is not None and not own_exposures
        drops = bool(self._events.drop) and not own_exposures
        plain = not (tells or drops or self._registry)
        if alone is not None and plain and alone not in self._mapped:
            self._plain[topic] = alone
            return lambda payload, _, now: parse(alone, payload, now)
        return functools.partial(self._read, topic, kinds, None if tells else alone)

    def _read(
        self,
        topic: str,
        kinds: tuple[Kind, ...],
        kind: Kind | None,
        payload: bytes,
        headers: Headers,
        now: datetime,
    ) -> Event | Dropped:
        marked = mark_of(headers)
        if marked is not None:
            # Who may write clicks could else write exposures: rights are given by topic.
            if marked not in kinds:
                raise InvalidEvent(Reason.WRONG_TYPE, f"marked as {marked}: none are in this topic")
            return parse(marked, payload, now)
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise InvalidEvent(
                Reason.TOO_LARGE, f"{len(payload)} bytes; at most {MAX_PAYLOAD_BYTES} are taken"
            )
        framed = self._registry is not None and self._registry.frames(payload, headers)
        if self._registry is not None and framed:
            own = self._registry.decode(topic, payload, headers)
        else:
            own = _object(payload)
        if kind is not None and not framed and kind not in self._mapped:
            rule = None if kind == "exposure" else self._drop(own)
            return parse(kind, payload, now) if rule is None else Dropped(rule)
        return self.read_own(kind, own, now)


def _object(payload: bytes) -> dict[str, Any]:
    try:
        own = from_json(payload, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidEvent(Reason.NOT_JSON, f"Invalid JSON: {error}") from error
    if not isinstance(own, dict):
        raise InvalidEvent(Reason.WRONG_TYPE, "the payload is no JSON object")
    return own


def _telling(events: EventSettings) -> Callable[[Mapping[str, Any]], Kind | None]:
    """What tells the kind of a payload; None for one to leave out."""
    source = events.kind
    if source is None:

        def untold(_: Mapping[str, Any]) -> Kind | None:
            raise InvalidEvent(Reason.MISSING_FIELD, "nothing tells the kind: set events.kind")

        return untold
    take, kinds, others, path = taking(source.path), source.kinds(), source.others, source.path

    def tell(own: Mapping[str, Any]) -> Kind | None:
        told = take(own)
        kind = kinds.get(told) if isinstance(told, str) else None
        if kind is None and told is None:
            raise InvalidEvent(Reason.MISSING_FIELD, f"{path}: Field required", path)
        if kind is None and others == "refuse":
            raise InvalidEvent(Reason.WRONG_TYPE, f"{path}: no kind of event", path)
        return kind

    return tell
