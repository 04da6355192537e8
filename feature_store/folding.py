"""Features of events of the log, made in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from adloom.feature_store.backend import Row, Rows
from adloom.feature_store.defining import define
from adloom.feature_store.entity_key import Key
from adloom.feature_store.event_log import LoggedEvent
from adloom.feature_store.layout import Layout
from adloom.feature_store.lost_rows import Least, LostRows
from adloom.feature_store.memory_backend import MemoryBackend
from adloom.feature_store.naming_features import FeastNames
from adloom.feature_store.online import OnlineTable, R
from adloom.feature_store.rows import CountsRow
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.tables import Tables
from adloom.feature_store.updates import Updates

_EVENTS_AT_ONCE = 10_000


class Fold:
    """Features of some events, in memory."""

    def __init__(self, settings: FeatureStoreSettings, layout: Layout | None = None) -> None:
        """Fold them; the layout is that of the store whose rows are made, if any are."""
        self.backend = MemoryBackend(layout or define(FeastNames()).layout)
        self._updates = Updates(self.backend, settings)
        self._tables = Tables(self.backend)

    def take(self, events: Iterable[LoggedEvent]) -> None:
        """Count events, in the order of the stream; one that comes again counts once."""
        events = iter(events)
        while batch := list(islice(events, _EVENTS_AT_ONCE)):
            self._updates.apply(batch)

    def has(self, lost: LostRows, coming: int = 0) -> bool:
        """Whether every lost row has as many events here, or more; so many may be still to come."""
        users = self._tables.users.read((name,) for name in lost.users)
        items = self._tables.items.read(lost.items)
        return all(
            _reaches(users[name,].counts, least, coming) for name, least in lost.users.items()
        ) and all(_reaches(items[key], least, coming) for key, least in lost.items.items())

    def rows(self, lost: LostRows) -> Rows:
        """The lost rows, whole."""
        tables = self._tables
        users = tables.users.read((name,) for name in lost.users)
        pages = tables.pages_of({str(key[0]): row for key, row in users.items()})
        histories = tables.histories.read((name,) for name in lost.users)
        impressions = tables.impressions.read((name,) for name in lost.users)
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
            tables.impressions.view: _whole(
                tables.impressions, {key: row for key, row in impressions.items() if len(row)}
            ),
            tables.items.view: _whole(
                tables.items, {key: row for key, row in items.items() if row != CountsRow()}
            ),
        }


def _reaches(row: CountsRow, least: Least, coming: int) -> bool:
    return row.impressions + coming >= least[0] and row.clicks + coming >= least[1]


def _whole(table: OnlineTable[R], rows: Mapping[Key, R]) -> dict[bytes, Row]:
    return {table.entity_key(key): table.whole(row) for key, row in rows.items()}
