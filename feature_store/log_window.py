"""The events of a window of time: each once, no more columns, days and users than are asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from adloom.feature_store.log_layout import BY_DAY, BY_USER, OF_HISTORIES, PLACE, TABLE, between
from adloom.feature_store.log_order import IDENTITY, STREAM, counting
from adloom.feature_store.log_table import LogTable
from adloom.feature_store.logged import SCHEMA, EventKind

COPIES_APART = timedelta(days=1)
"""Copies of an event are found whose times are no further apart."""
_TOLD_APART = [*IDENTITY, *STREAM, "offset", "ts", PLACE]
_TS = SCHEMA.field("ts").type


@dataclass(frozen=True)
class Window:
    """Events with since <= ts < until, of some kinds (none named: all) and users (None: all)."""

    kinds: Sequence[EventKind] = ()
    since: datetime | None = None
    until: datetime | None = None
    users: Collection[str] | None = None

    def read(self, table: LogTable, columns: Sequence[str] = SCHEMA.names) -> pd.DataFrame:
        """The columns, in order of time. Raises LogDamaged, LogUnavailable."""
        wanted = [name for name in TABLE.names if name in {*_TOLD_APART, *columns}]
        laid = self._laid(columns)
        inside = between(self.since, self.until)
        rows = table.rows(wanted, self._of_these & self._inside, inside, laid, self.users)
        again = self._with_copies(rows, table, wanted, laid)
        rows = _counting(rows) if again is None else _counting(again).filter(self._inside)
        return _in_order_of_time(rows).select(list(columns)).to_pandas()

    def _laid(self, columns: Sequence[str]) -> str:
        """Which rows have them at the least cost."""
        clicks_of_all_time = tuple(self.kinds) == ("click",) and (
            self.users is not None or self.since is None
        )
        return BY_USER if clicks_of_all_time and OF_HISTORIES.issuperset(columns) else BY_DAY

    def _with_copies(
        self, rows: pa.Table, table: LogTable, wanted: Sequence[str], laid: str
    ) -> pa.Table | None:
        """The rows again with their copies of other times; None where there are none.

        What happened at another time by the row of the event that counts is not in the window.
        """
        beside = self._beside
        if not beside or not rows.num_rows:
            return None
        ids = pc.field("event_id").isin(rows.column("event_id").combine_chunks())
        copies = [
            table.rows(
                wanted,
                self._of_these & _between(*ends) & ids,
                between(*ends),
                laid,
                self.users,
            )
            for ends in beside
        ]
        if not any(found.num_rows for found in copies):
            return None
        return pa.concat_tables([rows, *copies])

    @property
    def _beside(self) -> list[tuple[datetime, datetime]]:
        """The times before and after, in which copies are looked for."""
        before = [] if self.since is None else [(self.since - COPIES_APART, self.since)]
        after = [] if self.until is None else [(self.until, self.until + COPIES_APART)]
        return before + after

    @property
    def _of_these(self) -> pc.Expression:
        these = pc.scalar(True)
        if self.kinds:
            these &= pc.field("kind").isin(list(self.kinds))
        if self.users is not None:
            these &= pc.field("user_id").isin(pa.array(self.users, pa.string()))
        return these

    @property
    def _inside(self) -> pc.Expression:
        return _between(self.since, self.until)


def _between(since: datetime | None, until: datetime | None) -> pc.Expression:
    between = pc.scalar(True)
    if since is not None:
        between &= pc.field("ts") >= pa.scalar(since, _TS)
    if until is not None:
        between &= pc.field("ts") < pa.scalar(until, _TS)
    return between


def _counting(rows: pa.Table) -> pa.Table:
    """Without the copies of an event that do not count."""
    ids = rows.column("event_id")
    if pc.count_distinct(ids).as_py() == rows.num_rows:
        return rows
    found = pc.value_counts(ids)
    again = found.field("values").filter(pc.greater(found.field("counts"), 1))
    places = np.flatnonzero(pc.is_in(ids, again).to_numpy())
    kept = np.ones(rows.num_rows, bool)
    copies = rows.take(places)
    appended = np.argsort(copies.column(PLACE).to_numpy(), kind="stable")
    copies = copies.select([*IDENTITY, *STREAM, "offset"]).take(appended)
    kept[places[appended]] = counting(copies.to_pandas())
    return rows.filter(pa.array(kept))


def _in_order_of_time(rows: pa.Table) -> pa.Table:
    """Events of one moment by their ids."""
    at = rows.column("ts").cast(pa.int64()).to_numpy()
    order = np.argsort(at, kind="stable")
    if (np.diff(at[order]) == 0).any():
        return rows.sort_by([("ts", "ascending"), ("event_id", "ascending")])
    return rows.take(order)
