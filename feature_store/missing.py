"""Rows that the event log tells of and the online store has not, or not whole."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from adloom.feature_store import definitions
from adloom.feature_store.backend import OnlineBackend
from adloom.feature_store.event_log import EventLog
from adloom.feature_store.known_events import PageRow
from adloom.feature_store.lost_rows import Least, LostRows
from adloom.feature_store.online import OnlineTable
from adloom.feature_store.rows import CountsRow, UserRow

_USER, _ITEM = ["user_id"], ["item_id", "partition"]


def missing_rows(backend: OnlineBackend, log: EventLog) -> Iterator[LostRows]:
    """Looks for every user and item of the log, some thousand at a time. It reads all of the log.

    Raises StoreUnavailable.
    """
    users: set[str] = set()
    items: set[tuple[str, int]] = set()
    for rows in log.columns([*_USER, *_ITEM]):
        names = set(rows.column("user_id").unique().to_pylist())
        pairs = rows.select(_ITEM).group_by(_ITEM).aggregate([]).to_pylist()
        keys = {(str(pair["item_id"]), int(pair["partition"])) for pair in pairs}
        lost = LostRows(
            _users(backend, names - users),
            _items(backend, keys - items),
        )
        users |= names
        items |= keys
        if lost:
            yield lost


def _users(backend: OnlineBackend, names: Collection[str]) -> dict[str, Least]:
    table = OnlineTable(backend, definitions.user_stats, UserRow)
    pages = OnlineTable(backend, definitions.user_events, PageRow)
    rows = {str(key[0]): row for key, row in table.read((name,) for name in names).items()}
    found = pages.read(
        (page, name) for name, row in rows.items() for page in range(row.events.pages)
    )
    torn = {str(key[-1]) for key, page in found.items() if not page.whole}
    return {
        name: row.counts.stored
        for name, row in rows.items()
        if row.counts.is_new or row.counts.torn or name in torn
    }


def _items(
    backend: OnlineBackend, keys: Collection[tuple[str, int]]
) -> dict[tuple[str, int], Least]:
    table = OnlineTable(backend, definitions.item_stats, CountsRow)
    rows = table.read(keys)
    return {key: rows[key].stored for key in keys if rows[key].is_new or rows[key].torn}
