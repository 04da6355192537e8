"""Events in a shop's own form, read as adloom's by the map of the settings."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from pydantic_core import from_json

from adloom.stream.event_settings import EVENT_FIELDS, FieldMap, FieldSource, MomentSource
from adloom.stream.events import (
    EVENT_TYPES,
    OUTCOME_FIELDS,
    Event,
    InvalidEvent,
    Kind,
    Reason,
    refusal,
)
from adloom.stream.moments import NoMoment, NoTimeZone, OutOfTime, moment
from adloom.stream.paths import Take, taking

Convert = Callable[[Any], Any]

_NO_ID = 10**38  # turning numbers far beyond it into text takes long
_ROUNDED, _ROUNDED_32 = 2.0**53, 2.0**24  # from here on, floats skip whole numbers
_MAPPED = EVENT_FIELDS | set(OUTCOME_FIELDS)
_IDS = ("event_id", "user_id", "item_id", "ad_id", "variant")
_canonical = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False
).encode
_REASONS: dict[type[NoMoment], Reason] = {
    NoTimeZone: Reason.NO_TIME_ZONE,
    OutOfTime: Reason.OUT_OF_RANGE,
}


class NoId(ValueError):
    """A value that is no id for sure; the message says why."""


class Float32(float):
    """A number that had fewer digits once than Python's own have."""


class Bytes(str):
    """Bytes that are no text in UTF-8, as base64."""


class OwnEvents:
    """Reads events of one kind.

    Ids may be numbers, and are kept as text. A field that is null or empty text counts as left
    out. What the map does not name is left behind, but for what `rest` keeps.
    """

    def __init__(
        self, kind: Kind, fields: FieldMap, *, rest: bool = False, zone: tzinfo | None = None
    ) -> None:
        """Prepare what takes each field.

        Args:
            rest: keep fields of the payload that adloom does not know.
            zone: of moments that tell none, where the map tells none either.
        """
        self._kind = kind
        self._rest = rest
        self._hashes = fields.event_id is not None and fields.event_id.hash
        self._validate = EVENT_TYPES[kind].__pydantic_validator__.validate_python
        self._takes: list[tuple[str, Take, Convert | None]] = []
        self._names: dict[str, str] = {}
        for name in EVENT_TYPES[kind].model_fields:
            if name in _MAPPED and not (name == "event_id" and self._hashes):
                source = getattr(fields, name, None) or FieldSource(path=name)
                self._add(name, source, zone)
        self._known = EVENT_FIELDS | self._names.keys()
        self._extra = [(name, _value(source)) for name, source in fields.extra.items()]

    def _add(self, name: str, source: FieldSource, zone: tzinfo | None) -> None:
        convert: Convert | None = None
        if name == "ts":
            convert = _moments(source, zone)
        elif name in _IDS:
            convert = id_text
        elif name == "context":
            convert = _object
        self._takes.append((name, _value(source), convert))
        self._names[name] = source.path or name

    def name_of(self, field: str) -> str:
        """What the payload calls one of adloom's fields."""
        return self._names.get(field, field)

    def read(self, own: Mapping[str, Any], event_id: str | None = None) -> Event:
        """The event that an object of the shop's is.

        Args:
            event_id: goes before the payload's own.

        Raises InvalidEvent; it names the field as the payload does.
        """
        fields: dict[str, Any] = {}
        try:
            for name, take, convert in self._takes:
                value = take(own)
                if value is not None and value != "":
                    fields[name] = value if convert is None else convert(value)
        except NoMoment as error:
            reason = _REASONS.get(type(error), Reason.WRONG_TYPE)
            name = self._names["ts"]
            raise InvalidEvent(reason, f"{name}: {error}", name) from error
        except NoId as error:
            name = self._names[name]
            raise InvalidEvent(Reason.WRONG_TYPE, f"{name}: {error}", name) from error
        if event_id is not None:
            fields["event_id"] = event_id
        elif self._hashes:
            fields["event_id"] = _hash(self._kind, own)
        for name, take in self._extra:
            value = take(own)
            if value is not None:
                fields[name] = value
        if self._rest:
            fields = {n: v for n, v in own.items() if n not in self._known} | fields
        try:
            # Not strict: numbers in text are what CSV has, and Avro has decimals.
            event: Event = self._validate(fields, strict=False)
        except ValidationError as error:
            raise refusal(error, self._names) from error
        return event


def _value(source: FieldSource) -> Take:
    if source.path is not None:
        return taking(source.path)
    constant = source.value
    return lambda _: constant


def _moments(source: FieldSource, zone: tzinfo | None) -> Convert:
    unit = None
    if isinstance(source, MomentSource):
        unit = source.unit
        zone = ZoneInfo(source.zone) if source.zone else zone
    return lambda value: moment(value, unit, zone)


def id_text(value: Any) -> Any:
    """A number as text; the model refuses what is neither. Raises NoId."""
    if isinstance(value, Bytes):
        raise NoId("bytes that are no UTF-8: write the id as text")
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        if abs(value) >= (_ROUNDED_32 if isinstance(value, Float32) else _ROUNDED):
            raise NoId("a float this large may stand for several ids: make it text or an integer")
        value = int(value)  # a number in a column with gaps: 4711.0 is item 4711
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _NO_ID:
        return str(value)
    return value


def _object(value: Any) -> Any:
    """A table has an object as JSON text."""
    if isinstance(value, str) and value.startswith("{"):
        with contextlib.suppress(ValueError):
            return from_json(value)
    return value


def _hash(kind: Kind, own: Mapping[str, Any]) -> str:
    """The same for the same content, in whatever order and with whatever space it is written."""
    canonical = f"{kind} {_canonical(own)}".encode()
    return hashlib.blake2b(canonical, digest_size=16).hexdigest()
