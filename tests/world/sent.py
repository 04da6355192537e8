"""What was sent to a stream, and what must be known of it in the end, worked out without adloom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from adloom.feature_store.store import FeatureStore
from adloom.stream.events import Event
from tests.folded import Identity, features_in, fold, identity_of, logged_in
from tests.world.any_producer import Place


@dataclass
class Sent:
    """What was sent and committed.

    Attributes:
        events: each once.
        copies: where they lie in Kafka.
        at_risk: what was deleted from Kafka before it was logged: a member may have it in hand.
    """

    events: dict[Identity, Event] = field(default_factory=dict)
    copies: dict[Identity, set[Place]] = field(default_factory=dict)
    at_risk: set[Identity] = field(default_factory=set)

    def add(self, event: Event, place: Place) -> None:
        identity = identity_of(event)
        self.events.setdefault(identity, event)
        self.copies.setdefault(identity, set()).add(place)
        self.at_risk.discard(identity)

    def delete(self, gone: Callable[[Place], bool], logged: set[Identity]) -> set[Identity]:
        """Copies that are gone; returns what is at risk for it."""
        lost = set()
        for identity, places in self.copies.items():
            left = {place for place in places if not gone(place)}
            if len(left) < len(places) and not left and identity not in logged:
                lost.add(identity)
            self.copies[identity] = left
        self.at_risk |= lost
        return lost

    def give_up(self, logged: set[Identity]) -> set[Identity]:
        """What is at risk and was not logged never was; returns it."""
        gone = self.at_risk - logged
        for identity in gone:
            del self.events[identity], self.copies[identity]
        self.at_risk.clear()
        return gone

    def wrong(self, store: FeatureStore) -> list[str]:
        """How log and features differ from what was sent, line by line."""
        logged = logged_in(store)
        known = set(logged)
        twice = len(logged) - len(known)
        wrong = [f"{twice} events are logged twice"] if twice else []
        wrong += _differences("not logged", self.events.keys() - self.at_risk, known)
        wrong += _differences("logged and never sent", known, self.events.keys())
        users = sorted({event.user_id for event in self.events.values()})
        items = sorted({event.item_id for event in self.events.values()})
        counted = [self.events[identity] for identity in known & self.events.keys()]
        found, wanted = features_in(store, users, items), fold(counted, users, items)
        tables: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = list(
            zip(found, wanted, strict=True)
        )
        for have, want in tables:
            wrong += [
                f"{name}: {have[name]} instead of {want[name]}"
                for name in want
                if have[name] != want[name]
            ]
        return wrong


def _differences(
    words: str, these: AbstractSet[Identity], others: AbstractSet[Identity]
) -> list[str]:
    return [f"{words}: {identity}" for identity in sorted(these - others)]
