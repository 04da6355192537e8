"""Rows that the online store lost, folded anew from the event log."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from adloom.feature_store.backend import Known, OnlineBackend, Row, Rows
from adloom.feature_store.entity_key import Key
from adloom.feature_store.event_log import EventLog, LoggedEvent
from adloom.feature_store.lost_rows import Least, LostRows
from adloom.feature_store.memory_backend import MemoryBackend
from adloom.feature_store.online import OnlineTable, R
from adloom.feature_store.progress import ProgressRow
from adloom.feature_store.rows import CountsRow
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.tables import Tables
from adloom.feature_store.updates import Updates

_log = logging.getLogger(__name__)

_EVENTS_AT_ONCE = 10_000


class LogMender:
    """Makes rows anew from those events of the log that are in the features."""

    def __init__(
        self, backend: OnlineBackend, log: EventLog, settings: FeatureStoreSettings
    ) -> None:
        self._backend, self._log, self._settings = backend, log, settings
        self._tables = Tables(backend)

    def __call__(self, lost: LostRows, besides: Sequence[LoggedEvent]) -> None:
        """Write the rows as the log has them, unless others changed them meanwhile.

        Args:
            besides: events that the log may have already and the features have not.

        Raises FeaturesLost where the log knows of fewer events than the rows had;
        StoreUnavailable.
        """
        partitions = self._tables.partitions
        progress = partitions.read((n,) for n in range(self._settings.item_shards))
        as_stored = {partitions.entity_key(key): row.known() for key, row in progress.items()}
        folded = Fold(self._settings)
        events = self._log.of(list(lost.users), list({item_id for item_id, _ in lost.items}))
        folded.take(_applied(events, progress, besides))
        if not folded.has(lost):
            raise lost.told()
        known = {partitions.view: as_stored}
        self._backend.write(folded.rows(lost), known, lambda: self._found(lost))
        _log.warning("the online store had lost %s: made anew from the event log", lost.named())

    def _found(self, lost: LostRows) -> Known:
        """The counts that the store has now."""
        users, items = self._tables.users, self._tables.items
        return {
            users.view: {
                users.entity_key(key): row.counts.stored_values()
                for key, row in users.read((name,) for name in lost.users).items()
            },
            items.view: {
                items.entity_key(key): row.stored_values()
                for key, row in items.read(lost.items).items()
            },
        }


class Fold:
    """Features of some events, in memory."""

    def __init__(self, settings: FeatureStoreSettings) -> None:
        backend = MemoryBackend()
        self._updates = Updates(backend, settings)
        self._tables = Tables(backend)

    def take(self, events: Iterable[LoggedEvent]) -> None:
        """Count events, in the order of the stream; one that comes again counts once."""
        events = iter(events)
        while batch := list(islice(events, _EVENTS_AT_ONCE)):
            self._updates.apply(batch)

    def has(self, lost: LostRows) -> bool:
        """Whether every lost row has as many events here, or more."""
        users = self._tables.users.read((name,) for name in lost.users)
        items = self._tables.items.read(lost.items)
        return all(
            _reaches(users[name,].counts, least) for name, least in lost.users.items()
        ) and all(_reaches(items[key], least) for key, least in lost.items.items())

    def rows(self, lost: LostRows) -> Rows:
        """The lost rows, whole."""
        tables = self._tables
        users = tables.users.read((name,) for name in lost.users)
        pages = tables.pages_of({str(key[0]): row for key, row in users.items()})
        histories = tables.histories.read((name,) for name in lost.users)
        items = tables.items.read(lost.items)
        return {
            tables.users.view: _whole(
                tables.users, {key: row for key, row in users.items() if row.counts != CountsRow()}
            ),
            tables.pages.view: _whole(
                tables.pages,
                {(n, name): page for name, all_ in pages.items() for n, page in enumerate(all_)},
            ),
            tables.histories.view: _whole(
                tables.histories, {key: row for key, row in histories.items() if len(row)}
            ),
            tables.items.view: _whole(
                tables.items, {key: row for key, row in items.items() if row != CountsRow()}
            ),
        }


def _applied(
    events: Iterable[LoggedEvent],
    progress: Mapping[Key, ProgressRow],
    besides: Sequence[LoggedEvent],
) -> Iterator[LoggedEvent]:
    """Those that are in the features: what the log has beyond the progress comes to them yet."""
    coming = {(event.topic, event.topic_id, event.partition, event.offset) for event in besides}
    for event in events:
        row = progress.get((event.partition,))
        known = row.topics.get(event.topic) if row else None
        if known is not None and known.topic_id == event.topic_id:
            applied = event.offset <= known.applied
        else:  # of a topic that was made anew since, or is it the new one?
            applied = (event.topic, event.topic_id, event.partition, event.offset) not in coming
        if applied:
            yield event


def _reaches(row: CountsRow, least: Least) -> bool:
    return row.impressions >= least[0] and row.clicks >= least[1]


def _whole(table: OnlineTable[R], rows: Mapping[Key, R]) -> dict[bytes, Row]:
    return {table.entity_key(key): row.to_values() for key, row in rows.items()}
