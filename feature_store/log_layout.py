"""How events lie in the log's table.

An event lies by its day. A click lies there a second time, with what histories need of it, by its
year and within that by its user: histories are of a few users' clicks of any age. And one row names
each stream, a partition of a topic, that events were appended of.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from adloom.feature_store.log_order import IDENTITY, STREAM
from adloom.feature_store.logged import SCHEMA
from adloom.feature_store.progress import Reached

PLACE, LAID, PERIOD = "place", "laid", "period"
BY_DAY, BY_USER, OF_STREAMS = "by_day", "by_user", "of_streams"
"""The values of LAID."""
TABLE: pa.Schema = pa.schema(
    [*SCHEMA, (PLACE, pa.int64()), (LAID, pa.string()), (PERIOD, pa.string())]
)
"""Rows of the table: an event, and its place in the order in which events were appended."""
OF_HISTORIES = frozenset([*IDENTITY, *STREAM, "offset", "ts", "item_id", "ad_id"])
"""What the rows that lie by user have."""

Where = Sequence[tuple[str, str, object]]
"""Which files may have what is looked for: conditions on columns, all of which must hold."""

MOST_DAYS, EVERY_DAY = 62, 1_000_000
"""Of one commit: a file each. Events of more days than these lie by their year."""
_WRITER_BITS = 12
_YEAR, _DAY = "%Y", "%Y-%m-%d"


def between(since: datetime | None, until: datetime | None) -> list[tuple[str, str, object]]:
    """Files that may have events with since <= ts < until."""
    ends: list[tuple[str, str, object]] = []
    if since is not None:
        ends.append(("ts", ">=", since))
    if until is not None:
        ends.append(("ts", "<", until))
    return ends


class Places:
    """Gives rows their places: by the clock, in microseconds, each of one writer's its own."""

    def __init__(self) -> None:
        self._writer = random.getrandbits(_WRITER_BITS)
        self._next = 0
        self._lock = threading.Lock()

    def of(self, rows: int) -> NDArray[np.int64]:
        """The next places, int64 (rows,), rising."""
        with self._lock:
            first = max(time.time_ns() // 1_000, self._next)
            self._next = first + rows
        return np.arange(first, first + rows, dtype=np.int64) << _WRITER_BITS | self._writer


def laid_out(rows: pa.Table, places: NDArray[np.int64], most_days: int) -> pa.Table:
    """Rows of `SCHEMA` as rows of `TABLE`.

    Args:
        places: int64 (n,).
        most_days: events of more days than these lie by their year.
    """
    rows = rows.append_column(PLACE, pa.array(places))
    days = _periods(rows, _DAY)
    if pc.count_distinct(days).as_py() > most_days:
        days = _periods(rows, _YEAR)
    clicks = rows.filter(pc.equal(rows.column("kind"), "click"))
    bare = [
        column if name in OF_HISTORIES or name == PLACE else pa.nulls(len(column), column.type)
        for name, column in zip(clicks.column_names, clicks.columns, strict=True)
    ]
    clicks = pa.Table.from_arrays(bare, schema=clicks.schema)
    return pa.concat_tables(
        [_laid(rows, BY_DAY, days), _laid(clicks, BY_USER, _periods(clicks, _YEAR))]
    ).cast(TABLE)


def stream_rows(firsts: pa.Table) -> pa.Table:
    """Rows of `TABLE` that name streams by `STREAM` and the place of their first event."""
    columns = {name: firsts.column(name) for name in firsts.column_names}
    rows = [columns.get(field.name, pa.nulls(len(firsts), field.type)) for field in TABLE]
    named = pa.Table.from_arrays(rows, schema=TABLE).drop_columns([LAID, PERIOD])
    return _laid(named, OF_STREAMS, pa.array(["all"] * len(firsts), pa.string())).cast(TABLE)


def unknown_rows(rows: pa.Table, known: Mapping[Reached, int]) -> pa.Table:
    """Those that the table has not, by the last offset that it has of each partition."""
    topic, life, partition, offset = (rows.column(name) for name in (*STREAM, "offset"))
    logged = np.zeros(rows.num_rows, bool)
    for place, last in known.items():
        if last < 0:
            continue
        old = pc.and_(
            pc.and_(pc.equal(topic, place.topic), pc.equal(life, place.topic_id)),
            pc.and_(pc.equal(partition, place.partition), pc.less_equal(offset, last)),
        )
        logged |= old.to_numpy()
    return rows.filter(pa.array(~logged)) if logged.any() else rows


def _periods(rows: pa.Table, form: str) -> pa.Array:
    """The moments of rows as text; a day is formatted once, not once a row."""
    moments = rows.column("ts").cast(pa.timestamp("us")).combine_chunks()
    days = moments.cast(pa.date32(), safe=False).dictionary_encode()
    return pc.strftime(days.dictionary.cast(pa.timestamp("s")), form).take(days.indices)


def _laid(rows: pa.Table, laid: str, periods: pa.Array | pa.ChunkedArray) -> pa.Table:
    named = pa.array([laid] * rows.num_rows, pa.string())
    return rows.append_column(LAID, named).append_column(PERIOD, periods)
