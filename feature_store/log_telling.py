"""All records of the log in the order they were appended, a part of them in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adloom.feature_store.log_layout import PLACE, TABLE
from adloom.feature_store.log_order import STREAM, StreamOrder
from adloom.feature_store.log_table import LogTable
from adloom.feature_store.logged import LoggedEvent, events_of

ROWS_AT_ONCE = 10_000
_ROWS_OF_A_PART = 100_000


def in_order_of_appending(rows: pa.Table) -> pa.Table:
    """Rows with their places and offsets, sorted."""
    places, offsets = rows.column(PLACE).to_numpy(), rows.column("offset").to_numpy()
    return rows.take(np.lexsort((offsets, places)))


def tell(table: LogTable) -> Iterator[list[LoggedEvent]]:
    """The records; those of one stream by their offsets. Raises LogDamaged, LogUnavailable.

    In memory are, of all records, the columns that tell the order.
    """
    every = in_order_of_appending(table.rows([*STREAM, "offset", PLACE]))
    if not every.num_rows:
        return
    order, places = StreamOrder(every), every.column(PLACE).to_numpy()
    late = _rows_at(table, places[order.late])
    del every
    first = 0
    while first < len(places):
        end = int(
            np.searchsorted(places, places[min(first + _ROWS_OF_A_PART, len(places)) - 1], "right")
        )
        rows = _rows_between(table, int(places[first]), int(places[end - 1]))
        for start in range(first, end, ROWS_AT_ONCE):
            here = slice(start, min(start + ROWS_AT_ONCE, end))
            kept, joining = order.between(here.start, here.stop)
            told = [rows.take(kept - first)]
            if len(joining):
                told.append(late.take(np.searchsorted(np.flatnonzero(order.late), joining)))
            events = pa.concat_tables(told).take(order.sorted(np.concatenate([kept, joining])))
            yield events_of(events)
        first = end


def _rows_between(table: LogTable, first: int, last: int) -> pa.Table:
    place = pc.field(PLACE)
    here = (place >= first) & (place <= last)
    where = [(PLACE, ">=", first), (PLACE, "<=", last)]
    return in_order_of_appending(table.rows(TABLE.names, here, where))


def _rows_at(table: LogTable, places: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Table:
    if not len(places):
        return TABLE.empty_table()
    return in_order_of_appending(table.rows(TABLE.names, pc.field(PLACE).isin(pa.array(places))))
