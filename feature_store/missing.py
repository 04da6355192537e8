"""Rows that the event log tells of and the online store has not, or not whole."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pyarrow.compute as pc

from adloom.feature_store.backend import OnlineBackend
from adloom.feature_store.event_log import WITHOUT_FEATURES, EventLog
from adloom.feature_store.lost_rows import Least, LostRows
from adloom.feature_store.tables import Tables

_USER, _ITEM = ["user_id"], ["item_id", "partition"]


def missing_rows(backend: OnlineBackend, log: EventLog) -> Iterator[LostRows]:
    """Looks for every user and item of the log, some thousand at a time. It reads all of the log.

    Raises StoreUnavailable.
    """
    tables = Tables(backend)
    users: set[str] = set()
    items: set[tuple[str, int]] = set()
    for rows in log.columns(["kind", *_USER, *_ITEM]):
        rows = rows.filter(pc.field("kind") != WITHOUT_FEATURES)
        names = set(rows.column("user_id").unique().to_pylist())
        pairs = rows.select(_ITEM).group_by(_ITEM).aggregate([]).to_pylist()
        keys = {(str(pair["item_id"]), int(pair["partition"])) for pair in pairs}
        lost = LostRows(
            _users(tables, names - users),
            _items(tables, keys - items),
        )
        users |= names
        items |= keys
        if lost:
            yield lost


def _users(tables: Tables, names: Collection[str]) -> dict[str, Least]:
    found = tables.users.read((name,) for name in names)
    rows = {str(key[0]): row for key, row in found.items()}
    return {
        name: rows[name].counts.stored
        for name, pages in tables.pages_of(rows).items()
        if rows[name].counts.is_new
        or rows[name].counts.torn
        or not all(page.whole for page in pages)
    }


def _items(tables: Tables, keys: Collection[tuple[str, int]]) -> dict[tuple[str, int], Least]:
    rows = tables.items.read(keys)
    return {key: rows[key].stored for key in keys if rows[key].is_new or rows[key].torn}
