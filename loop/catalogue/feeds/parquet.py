"""Rows of Parquet files, with their types: decimals, lists, truth values, moments."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from adloom.loop.catalogue.feeds.columns import Columns, gathered
from adloom.loop.catalogue.feeds.refusals import FeedUnreadable
from adloom.loop.catalogue.feeds.rows import RawRow

_BATCH_ROWS = 256
_MAX_COLUMN_BYTES = 2 << 30  # of one column in one row group
_BROKEN = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError)


def parquet_rows(file: io.BufferedReader, columns: Columns) -> Iterator[RawRow]:
    """Rows of the file; only the columns that are asked for are read. Raises FeedUnreadable."""
    with _seekable(file) as whole:
        try:
            opened = pq.ParquetFile(whole, pre_buffer=False)
            names = opened.schema_arrow.names
        except _BROKEN as error:
            raise FeedUnreadable(f"is no Parquet file: {_one_line(error)}") from error
        places = columns.of_header(names)
        wanted = list(dict.fromkeys(names[place] for place, _ in places))
        _refuse_large(opened)
        line = 0
        for batch in _batches(opened, wanted):
            values = {name: _values(batch.column(name)) for name in wanted}
            for row in range(batch.num_rows):
                line += 1
                yield RawRow(
                    line,
                    gathered((attribute, values[names[place]][row]) for place, attribute in places),
                )


@contextmanager
def _seekable(file: io.BufferedReader) -> Iterator[BinaryIO]:
    """Parquet is read from its end; what is expanded on the way must be so wholly."""
    if file.seekable():
        yield file
        return
    with tempfile.TemporaryFile() as whole:
        shutil.copyfileobj(file, whole)
        whole.seek(0)
        yield whole


def _refuse_large(opened: pq.ParquetFile) -> None:
    for group in range(opened.metadata.num_row_groups):
        row_group = opened.metadata.row_group(group)
        for column in range(row_group.num_columns):
            if row_group.column(column).total_uncompressed_size > _MAX_COLUMN_BYTES:
                raise FeedUnreadable(
                    f"row group {group} has a column of more than {_MAX_COLUMN_BYTES >> 30} GiB; "
                    "write it in smaller row groups"
                )


def _batches(opened: pq.ParquetFile, wanted: Sequence[str]) -> Iterator[pa.RecordBatch]:
    try:
        yield from opened.iter_batches(_BATCH_ROWS, columns=list(wanted), use_threads=False)
    except _BROKEN as error:
        if isinstance(error, FeedUnreadable):
            raise
        raise FeedUnreadable(f"cannot be read further: {_one_line(error)}") from error


def _values(column: pa.Array) -> list[object]:
    """Python values; moments are ISO 8601, broken texts have U+FFFD where they are broken."""
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return [None if raw is None else raw.decode(errors="replace") for raw in column.to_pylist()]
    try:
        return [_plain(value) for value in column.to_pylist()]
    except UnicodeDecodeError:
        return _values(column.cast(pa.binary())) if pa.types.is_string(column.type) else []
    except (ValueError, OverflowError) as error:
        raise FeedUnreadable(f"has a value that Python cannot hold: {_one_line(error)}") from error


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date | datetime) else value


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
