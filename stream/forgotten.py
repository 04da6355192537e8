"""Events that are taken in no more: of users who are forgotten or left alone, and old ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from pydantic_core import from_json

from adloom.stream.dead_letter import DeadLetter
from adloom.stream.event_settings import EventSettings
from adloom.stream.events import EVENT_TYPES
from adloom.stream.membership.batch import Batch
from adloom.stream.paths import Take, taking

FORGOTTEN = "forgotten"
"""Counts as the rule that leaves these events out."""
RETENTION = "retention"
"""The same, of those that are older than anything is kept."""
NO_MOMENT = datetime.min.replace(tzinfo=UTC)
EVERY_MOMENT = datetime.max.replace(tzinfo=UTC)


class Forgotten(Protocol):
    """Who is forgotten, as one process knows it. Safe to use from several threads."""

    def look(self) -> bool:
        """Learns what changed, now and then; whether `confirm` is due. Raises StoreUnavailable."""

    def confirm(self) -> None:
        """Says that nothing will be written that was read before. Raises StoreUnavailable."""

    def ends(self, user_id: str) -> datetime:
        """Events of the user from before it are none: NO_MOMENT of whoever is not forgotten."""

    def oldest(self) -> datetime:
        """Events from before it are none, whoever's they are: NO_MOMENT where all are kept."""


class Nobody:
    """Nobody is forgotten."""

    def look(self) -> bool:
        """There is nothing to learn."""
        return False

    def confirm(self) -> None:
        """Nobody waits for it."""

    def ends(self, user_id: str) -> datetime:
        """All events count."""
        return NO_MOMENT

    def oldest(self) -> datetime:
        """All are kept."""
        return NO_MOMENT


NOBODY = Nobody()


def why_left_out(forgotten: Forgotten, user_id: str, at: datetime) -> str | None:
    """By which rule an event is left out; None where it is taken in."""
    if at < forgotten.oldest():
        return RETENTION
    return FORGOTTEN if at < forgotten.ends(user_id) else None


def leave_out(
    batch: Batch, forgotten: Forgotten, user_of: Callable[[DeadLetter], str | None]
) -> None:
    """Takes events of the forgotten out of a batch, and counts them.

    A payload that is no event, of somebody who was ever forgotten, becomes no dead letter: it
    would show whose it is.
    """
    if (oldest := forgotten.oldest()) is not NO_MOMENT:
        young = [event for event in batch.events if event.ts >= oldest]
        if len(young) < len(batch.events):
            batch.dropped[RETENTION] += len(batch.events) - len(young)
            batch.events = young
    ends = {user: forgotten.ends(user) for user in {event.user_id for event in batch.events}}
    if any(end is not NO_MOMENT for end in ends.values()):
        kept = [event for event in batch.events if event.ts >= ends[event.user_id]]
        batch.dropped[FORGOTTEN] += len(batch.events) - len(kept)
        batch.events = kept
    if batch.dead_letters:
        letters = [
            letter
            for letter in batch.dead_letters
            if (user := user_of(letter)) is None or forgotten.ends(user) is NO_MOMENT
        ]
        if len(letters) < len(batch.dead_letters):
            batch.dropped[FORGOTTEN] += len(batch.dead_letters) - len(letters)
            batch.dead_letters = letters


def telling_user(events: EventSettings) -> Callable[[DeadLetter], str | None]:
    """What tells whose a payload is that is no event; None where it does not say."""
    paths = {"user_id": None}
    for kind in EVENT_TYPES:
        fields = events.map_of(kind)
        if fields is not None and fields.user_id is not None and fields.user_id.path is not None:
            paths[fields.user_id.path] = None
    takes: Sequence[Take] = [taking(path) for path in paths]

    def tell(letter: DeadLetter) -> str | None:
        try:
            own: Any = from_json(letter.kept)
        except ValueError:
            return None
        if not isinstance(own, Mapping):
            return None
        return next((found for take in takes if isinstance(found := take(own), str)), None)

    return tell
