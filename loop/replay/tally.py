"""What was sent, beside what the features gained: the proof of a replay."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from adloom.feature_store.store import FeatureStore, ItemStats, UserStats
from adloom.stream.events import Event, kind_of

Counts = tuple[int, int]
"""Impressions, exposures among them, and clicks."""
Stored = Callable[[Iterable[str]], Mapping[str, ItemStats] | Mapping[str, UserStats]]


class Gain:
    """Counts by name of an item or a user: what is expected, and by how much the store grew."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._before: dict[str, Counts] = {}
        self.expected: dict[str, Counts] = {}

    def note_before(self, names: Iterable[str]) -> None:
        """What the features have of names that will be counted, if they are new."""
        new = set(names) - self._before.keys()
        if new:
            self._before |= self._read(new)

    def expect(self, name: str, *, is_click: bool) -> None:
        """Counts one event, before it is sent."""
        shown, clicked = self.expected.get(name, (0, 0))
        self.expected[name] = (shown + (not is_click), clicked + is_click)

    def grown(self) -> dict[str, Counts]:
        """By how much each name has grown in the features."""
        after = self._read(self.expected)
        return {
            name: (after[name][0] - self._before[name][0], after[name][1] - self._before[name][1])
            for name in self.expected
        }

    def _read(self, names: Iterable[str]) -> dict[str, Counts]:
        found = self._stored(names)
        return {name: (stats.impressions, stats.clicks) for name, stats in found.items()}


class Tally:
    """Items and users of the events of a replay."""

    def __init__(self, store: FeatureStore) -> None:
        self.items, self.users = Gain(store.item_stats), Gain(store.user_stats)
        self.events = 0

    def expect(self, events: Sequence[Event]) -> None:
        """Events that will be sent."""
        self.items.note_before(event.item_id for event in events)
        self.users.note_before(event.user_id for event in events)
        for event in events:
            is_click = kind_of(event) == "click"
            self.items.expect(event.item_id, is_click=is_click)
            self.users.expect(event.user_id, is_click=is_click)
        self.events += len(events)
