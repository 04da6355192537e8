"""The online features anew from the event log, to which events from elsewhere may be added first.

Whatever fails leaves what was there: rows are checked and staged before any is added, all of them
are added in one step, and the features are made beside those in use and swapped at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from adloom.feature_store.backend import StoreDamaged
from adloom.feature_store.event_log import LoggedEvent
from adloom.feature_store.looking_back import item_names, lists_its_rows, user_names
from adloom.feature_store.store import FeatureStore
from adloom.loop.replay.new_events import New

Told = Callable[[int], object]
"""Called with the number of events so far."""


@dataclass(frozen=True)
class Plan:
    """A backfill of which all is read and nothing is changed yet.

    Attributes:
        users: that have online features now; None where they are damaged, or cannot be counted.
        items: likewise.
        logged: records in the event log now.
        read: events that were read from elsewhere.
        new: those of them that the log has not.
    """

    users: int | None
    items: int | None
    logged: int
    read: int
    new: int
    _store: FeatureStore
    _put_in: Callable[[], None]

    def carry_out(self, told: Told = lambda _: None) -> int:
        """Adds what is new to the log, then makes the features anew from all of it.

        Returns the number of records that were taken. Raises StoreUnavailable;
        ContendedPartition; ValueError for a partition beyond `item_shards`.
        """
        if self.new:
            self._put_in()
        taken = 0
        for count in self._store.rebuild(self._store.log.batches()):
            taken += count
            told(taken)
        return taken


@contextmanager
def planned(
    store: FeatureStore,
    batches: Iterable[Sequence[LoggedEvent]] = (),
    new_of: New = list,
    told: Told = lambda _: None,
) -> Iterator[Plan]:
    """Reads and stages all batches; what is staged and not carried out is gone at the end.

    Args:
        batches: events from elsewhere.
        new_of: those of them that the log has not.
        told: called after each batch.

    Raises what the batches do; ValueError for a partition beyond `item_shards`; StoreUnavailable.
    """
    read = new = 0

    def news() -> Iterator[list[LoggedEvent]]:
        nonlocal read, new
        for events in batches:
            store.check_shards(events)
            unknown = new_of(events)
            read, new = read + len(events), new + len(unknown)
            told(read)
            yield unknown

    with store.log.staged(news()) as put_in:
        users, items = _replaced(store)
        yield Plan(users, items, store.log.records(), read, new, store, put_in)


def _replaced(store: FeatureStore) -> tuple[int | None, int | None]:
    """How many users and items have features now; None where that cannot be told."""
    if not lists_its_rows(store.backend):
        return None, None
    try:
        return sum(1 for _ in user_names(store.backend)), len(item_names(store.backend))
    except StoreDamaged:
        return None, None
