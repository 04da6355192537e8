"""Rows of the event log's files, with the columns and under the condition that are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from adloom.feature_store.backend import LogDamaged
from adloom.feature_store.logged import SCHEMA

ROWS_OF_ONE_READ = 10_000


def read_rows(
    files: Sequence[Path], condition: pc.Expression | None, columns: Sequence[str] | None = None
) -> pa.Table:
    """Rows in the order they were appended. Raises LogDamaged."""
    if not files:
        empty: pa.Table = SCHEMA.empty_table()
        return empty.select(columns or SCHEMA.names)
    try:
        return pq.read_table(files, filters=condition, schema=SCHEMA, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(files, error) from error


def tables(files: Sequence[Path], names: Sequence[str] = SCHEMA.names) -> Iterator[pa.Table]:
    """All rows in the order they were appended, some thousand at a time. Raises LogDamaged."""
    for path in files:
        rows = ds.dataset(path, schema=SCHEMA, format="parquet")
        batches = rows.to_batches(columns=list(names), batch_size=ROWS_OF_ONE_READ)
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                raise _unreadable([path], error) from error
            if batch is None:
                break
            yield pa.Table.from_batches([batch])


def footer(file: Path) -> pq.FileMetaData:
    """What a file says of its rows. Raises LogDamaged."""
    try:
        return pq.read_metadata(file)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable([file], error) from error


def _unreadable(files: Sequence[Path], error: Exception) -> LogDamaged:
    """Names the first of the files that cannot be read whole."""
    for file in files:
        try:
            pq.read_table(file, schema=SCHEMA)
        except (pa.ArrowException, OSError) as found:
            first = str(found).splitlines()[0]
            return LogDamaged(
                f"{file} of the event log is damaged ({first}): put a copy of it back, or move it "
                "out of the folder and run adloom backfill, which leaves its events out"
            )
    return LogDamaged(f"the event log could not be read: {error}")
