"""Moments as other programs write them: ISO 8601, or a number since 1970 in some unit."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Literal

TimeUnit = Literal["iso", "s", "ms", "us", "ns"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS = {"s": 1_000_000.0, "ms": 1_000.0, "us": 1.0, "ns": 0.001}
# What a number means where no unit is given: each from 1973 in its unit to the year 5138.
_UNIT_BELOW: tuple[tuple[float, TimeUnit], ...] = ((1e11, "s"), (1e14, "ms"), (1e17, "us"))


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
        unit: None takes ISO 8601, and numbers by their size.
        zone: of moments that tell none.

    Raises NoMoment, NoTimeZone, OutOfTime.
    """
    if isinstance(value, datetime):
        return _in_utc(value, zone)
    number = None if unit == "iso" else _number(value)
    if number is not None:
        return _since_1970(number, unit or _unit_by_size(number))
    if not isinstance(value, str) or unit not in (None, "iso"):
        raise NoMoment("not a moment" if unit is None else f"not a moment in {unit}")
    try:
        # "UTC" in words is how warehouses export; the parser knows digits and Z.
        found = datetime.fromisoformat(value.strip().removesuffix(" UTC") + _zone_told(value))
    except ValueError as error:
        raise NoMoment("not a moment: ISO 8601 is wanted, or a number since 1970") from error
    return _in_utc(found, zone)


def _zone_told(text: str) -> str:
    return "+00:00" if text.strip().endswith(" UTC") else ""


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return value
    if not isinstance(value, str) or len(value) > 32:
        return None
    text = value.strip()
    # A date of eight digits is ISO 8601 too, and a number of seconds only in 1970.
    if len(text) == 8 and text.isdecimal():
        return None
    try:
        return int(text) if text.lstrip("+-").isdecimal() else float(text)
    except ValueError:
        return None


def _unit_by_size(number: float) -> TimeUnit:
    return next((unit for limit, unit in _UNIT_BELOW if abs(number) < limit), "ns")


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
            raise NoTimeZone("the moment tells no time zone")
        found = found.replace(tzinfo=zone)
    try:
        return found.astimezone(UTC)
    except OverflowError as error:
        raise OutOfTime("the moment is out of range") from error
