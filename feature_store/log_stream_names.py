"""The streams of the log by name: whoever asks for them reads a row of each, and no events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa

from adloom.feature_store.log_layout import BY_DAY, OF_STREAMS, PLACE, TABLE, stream_rows
from adloom.feature_store.log_order import STREAM
from adloom.feature_store.log_reading import LogFiles

_FIRSTS = [*STREAM, PLACE]


def firsts_of(parts: Iterable[pa.Table]) -> pa.Table:
    """`STREAM` of each stream in rows, and the lowest place in it."""
    found = [_firsts(rows.select(_FIRSTS)) for rows in parts]
    return _firsts(pa.concat_tables([TABLE.empty_table().select(_FIRSTS), *found]))


def named_in(files: LogFiles) -> pa.Table:
    """What `firsts_of` gives of all events; a table that names no stream yet is read for them."""
    named = files.rows(OF_STREAMS, (), _FIRSTS, None)
    return firsts_of([named] if named.num_rows else files.all_rows(BY_DAY, _FIRSTS))


class StreamNames:
    """What one who appends knows of the streams that the table names."""

    def __init__(self) -> None:
        self._known: set[tuple[str, str, int]] | None = None

    def forget(self) -> None:
        """Another table may be there now."""
        self._known = None

    def unknown(self, rows: pa.Table, files: Callable[[], LogFiles | None]) -> pa.Table:
        """Rows that name the streams of `rows` where the table does not.

        Args:
            files: of the table, asked for until it names some; one of before, which names none, is
                to name all that it has.
        """
        firsts = firsts_of([rows])
        if self._known is None and (now := files()) is not None:
            # A table that names some names all: with none, the commit that is to do so may fail.
            self._known = _keys(now.rows(OF_STREAMS, (), STREAM, None)) or None
            if self._known is None:
                firsts = firsts_of([firsts, named_in(now)])
        known = self._known or set()
        new = [key not in known for key in _each(firsts)]
        return stream_rows(firsts.filter(pa.array(new, pa.bool_())))

    def named(self, rows: pa.Table) -> None:
        """The table has these of `unknown` now."""
        if self._known is not None:
            self._known |= _keys(rows)


def _firsts(rows: pa.Table) -> pa.Table:
    found = rows.group_by(STREAM).aggregate([(PLACE, "min")])
    return found.rename_columns([*STREAM, PLACE]).select(_FIRSTS)


def _each(rows: pa.Table) -> Iterator[tuple[str, str, int]]:
    return zip(*(rows.column(name).to_pylist() for name in STREAM), strict=True)


def _keys(rows: pa.Table) -> set[tuple[str, str, int]]:
    return set(_each(rows))
