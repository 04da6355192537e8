"""Events with names that matter and everything else filled in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from adloom.feature_store.event_log import EventKind, LoggedEvent
from adloom.stream.events import Click, Exposure, Impression, Outcome

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def _fields(name: str, seconds: float, more: dict[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {
        "event_id": name,
        "ts": at(seconds),
        "user_id": "ann",
        "item_id": "shoe",
    }
    return given | more


def click(name: str, seconds: float = 0, **more: Any) -> Click:
    return Click(**_fields(name, seconds, more))


def impression(name: str, seconds: float = 0, **more: Any) -> Impression:
    return Impression(**_fields(name, seconds, more))


def exposure(name: str, seconds: float = 0, **more: Any) -> Exposure:
    return Exposure(**_fields(name, seconds, more))


def outcome(name: str, seconds: float = 0, **more: Any) -> Outcome:
    return Outcome(**_fields(name, seconds, {"name": "purchase"} | more))


def logged(offset: int, seconds: float = 0, kind: EventKind = "click", **more: Any) -> LoggedEvent:
    """An event as the consumer hands it on; its id is made of kind and offset."""
    given = _fields(f"{kind}-{offset}", seconds, more)
    place: dict[str, Any] = {
        "topic": f"test.{kind}s",
        "topic_id": "first",
        "partition": 0,
        "offset": offset,
    }
    return LoggedEvent(kind=kind, **place | given)
