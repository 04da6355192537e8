"""Moments as other programs write them: ISO 8601, or a number since 1970 in a unit that is told.

A unit is never guessed: 20260102 may be a day, or a second of 1970.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Literal

TimeUnit = Literal["iso", "s", "ms", "us", "ns"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS = {"s": 1_000_000.0, "ms": 1_000.0, "us": 1.0, "ns": 0.001}
_NUMBER = re.compile(r"[+-]?[0-9]{1,32}(\.[0-9]{0,32})?([eE][+-]?[0-9]{1,3})?")
# The parser passes over one character before the time and before the zone, whatever they are.
_FORM = re.compile(
    r"[0-9]{4}-?([0-9]{2}-?[0-9]{2}|W[0-9]{2}(-?[0-9])?)"
    r"([Tt ][0-9:.,]*[0-9]( ?(Z|[+-][0-9:.]+))?)?"
)
_NO_UNIT = (
    "a number tells no unit (s, ms, us or ns): set it as unit in [events.fields] ts, for a file "
    "as --unit ms"
)


class NoMoment(ValueError):
    """A value that is no moment; the message says why."""


class NoTimeZone(NoMoment):
    """A moment without a zone, where none is known either."""


class OutOfTime(NoMoment):
    """A moment beyond what a calendar holds."""


def moment(value: Any, unit: TimeUnit | None = None, zone: tzinfo | None = None) -> datetime:
    """The aware moment in UTC that a value means.

    Args:
        value: text, a number, or a datetime.
        unit: of numbers, and of text that is one; None takes ISO 8601 alone.
        zone: of moments that tell none.

    Raises NoMoment, NoTimeZone, OutOfTime.
    """
    if isinstance(value, datetime):
        return _in_utc(value, zone)
    number = None if unit == "iso" else _number(value)
    if number is not None:
        if unit is None:
            raise NoMoment(_NO_UNIT)
        return _since_1970(number, unit)
    if not isinstance(value, str) or unit not in (None, "iso"):
        raise NoMoment("not a moment" if unit is None else f"not a moment in {unit}")
    return _in_utc(_of_iso(value.strip()), zone)


def _of_iso(text: str) -> datetime:
    if text.endswith(" UTC"):  # is how warehouses export; the parser knows digits and Z
        text = text.removesuffix(" UTC") + "+00:00"
    try:
        if _FORM.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise NoMoment("not a moment: ISO 8601 is wanted, such as 2026-03-01T12:00:00Z")


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return value
    if not isinstance(value, str):
        return None
    text = value.strip()
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    return float(text) if found[1] or found[2] else int(text)


def _since_1970(number: float, unit: TimeUnit) -> datetime:
    if isinstance(number, float) and not math.isfinite(number):
        raise NoMoment("not a moment: the number is not finite")
    try:
        if isinstance(number, int):  # exact, where a float would round what is far from 1970
            parts = number // 1000 if unit == "ns" else number * int(_MICROSECONDS[unit])
            return _EPOCH + timedelta(microseconds=parts)
        return _EPOCH + timedelta(microseconds=number * _MICROSECONDS[unit])
    except OverflowError as error:
        raise OutOfTime(f"{number} is no moment in {unit}: check the unit") from error


def _in_utc(found: datetime, zone: tzinfo | None) -> datetime:
    if found.tzinfo is None:
        if zone is None:
            raise NoTimeZone(
                "the moment tells no time zone: set it as zone in [events.fields] ts, for a file "
                "as --zone Europe/Berlin"
            )
        found = found.replace(tzinfo=zone)
    try:
        return found.astimezone(UTC)
    except OverflowError as error:
        raise OutOfTime("the moment is out of range") from error
