"""A batch of events into the online features, once each.

Counts, histories and the progress of the partitions are written in one step. Whatever happens
before it changes nothing in the store, and whatever comes again after it is known by its offset.
The step fails when someone else has moved a partition's progress: then this writer was not, or
is no longer, the only one. It forgets what it has in memory and begins again with what is stored,
so even a consumer that lost its partitions long ago does no harm.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence

from adloom.feature_store.backend import OnlineBackend, Row
from adloom.feature_store.entity_key import Key
from adloom.feature_store.event_log import LoggedEvent
from adloom.feature_store.online import OnlineTable, OpenRows, R
from adloom.feature_store.progress import Progress, ProgressRow, Reached
from adloom.feature_store.rows import CountsRow, HistoryRow, UserRow
from adloom.feature_store.settings import FeatureStoreSettings

_ATTEMPTS = 20
_OTHERS_WRITE = "consumers write these features: stop them, and begin the rebuild again"


class ContendedPartition(RuntimeError):
    """Others keep writing the same partitions."""


class Updates:
    """Applies batches. Threads that share one wait for one another."""

    def __init__(
        self,
        backend: OnlineBackend,
        histories: OnlineTable[HistoryRow],
        users: OnlineTable[UserRow],
        items: OnlineTable[CountsRow],
        partitions: OnlineTable[ProgressRow],
        settings: FeatureStoreSettings,
    ) -> None:
        self._backend = backend
        self._histories = OpenRows(histories, settings.open_rows)
        self._users = OpenRows(users, settings.open_rows)
        self._items = OpenRows(items, settings.open_rows)
        self._partitions = OpenRows(partitions, settings.item_shards)
        self._shards = settings.item_shards
        self._history_length = settings.history_length
        self.crossed = 0
        self._settled: dict[tuple[str, int], Reached] = {}
        self._lock = threading.Lock()

    def apply(self, events: Sequence[LoggedEvent], reached: Sequence[Reached] = ()) -> int:
        """Takes events, of each partition in the order of their offsets.

        Returns the number of rows written. Raises StoreUnavailable, ContendedPartition.
        """
        if not events and not reached:
            return 0
        with self._lock:
            return self._apply_all(events, reached)

    def settle(self, reached: Iterable[Reached]) -> None:
        """Notes that all up to there is logged and buried; the next write tells the store."""
        with self._lock:
            self._settled |= {(place.topic, place.partition): place for place in reached}

    def save_progress(self) -> None:
        """Tells the store what is settled. Raises StoreUnavailable, ContendedPartition."""
        with self._lock:
            if self._settled:
                self._apply_all((), list(self._settled.values()))

    def progress(self, partitions: Iterable[int]) -> dict[int, dict[str, Progress]]:
        """By number of the partition and topic, as stored. Raises StoreUnavailable."""
        with self._lock:
            self._forget()
            rows = self._partitions.open((number,) for number in partitions)
            return {int(key[0]): dict(row.topics) for key, row in rows.items()}

    def _apply_all(self, events: Sequence[LoggedEvent], reached: Sequence[Reached]) -> int:
        for _ in range(_ATTEMPTS):
            try:
                rows = self._apply(events, reached)
            except BaseException:
                self._forget()  # what is open may be ahead of what is stored
                raise
            if rows is not None:
                return rows
            self._forget()
        raise ContendedPartition("other consumers keep writing the partitions of this one")

    def rebuild(self, batches: Iterable[Sequence[LoggedEvent]]) -> Iterator[int]:
        """Deletes all rows of all views and applies the batches; gives the size of each.

        Raises StoreUnavailable; ContendedPartition when anyone else writes meanwhile.
        """
        with self._lock:
            self._backend.clear()
            self._forget()
            # From here on every partition must be as this writer left it.
            partitions = self._partitions.open((number,) for number in range(self._shards))
            if any(row.topics for row in partitions.values()):
                raise ContendedPartition(_OTHERS_WRITE)
            try:
                for events in batches:
                    if events and self._apply(events, ()) is None:
                        raise ContendedPartition(_OTHERS_WRITE)
                    yield len(events)
            finally:
                self._forget()

    def _apply(self, events: Sequence[LoggedEvent], reached: Sequence[Reached]) -> int | None:
        """Returns None when the partitions are not as they are in memory."""
        numbers = {event.partition for event in events} | {place.partition for place in reached}
        partitions = self._partitions.open((number,) for number in numbers)
        expected = _values(self._partitions, partitions)
        events = [event for event in events if partitions[event.partition,].advance(event)]
        for place in reached:
            partitions[place.partition,].reach(place)
        settled = [place for place in self._settled.values() if place.partition in numbers]
        for place in settled:
            partitions[place.partition,].settle(place)
        users = self._users.open((event.user_id,) for event in events)
        events = [event for event in events if users[event.user_id,].is_new(event)]
        items = self._items.open((event.item_id, event.partition) for event in events)
        clicks = [event for event in events if event.kind == "click"]
        histories = self._histories.open((click.user_id,) for click in clicks)
        for event in events:
            users[event.user_id,].counts.count(event)
            items[event.item_id, event.partition].count(event)
        for click in clicks:
            histories[click.user_id,].add(click, self._history_length)
        rows = dict(
            [
                _changes(self._partitions, partitions),
                _changes(self._users, users),
                _changes(self._items, items),
                _changes(self._histories, histories),
            ]
        )
        if not self._backend.write(rows, dict([expected])):
            return None
        for place in settled:
            del self._settled[place.topic, place.partition]
        return len(users) + len(items) + len(histories)

    def _forget(self) -> None:
        for rows in (self._histories, self._users, self._items, self._partitions):
            rows.forget()


def _values(rows: OpenRows[R], opened: Mapping[Key, R]) -> tuple[str, dict[bytes, Row]]:
    """The view's name, and what its rows are in the store."""
    table = rows.table
    return table.view, {table.entity_key(key): row.to_values() for key, row in opened.items()}


def _changes(rows: OpenRows[R], opened: Mapping[Key, R]) -> tuple[str, dict[bytes, Row]]:
    """The view's name, and what has to be written to make its rows so in the store."""
    table = rows.table
    return table.view, {table.entity_key(key): row.changes() for key, row in opened.items()}
