"""Any number of rows beside the log, until all of them are read."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from adloom.feature_store.locking import file_lock
from adloom.feature_store.logged import SCHEMA

_STAGED = ".staged"


@contextmanager
def staged_rows(
    tables: Iterator[pa.Table], folder: Path
) -> Iterator[Callable[[], Iterator[pa.Table]]]:
    """Takes all rows, of `SCHEMA`; what it gives tells them again, some thousand at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    with file_lock(folder / "staging.lock"):
        _remove_left(folder)  # of one that was killed
        path = folder / f"{uuid.uuid4().hex}{_STAGED}"
        try:
            with pq.ParquetWriter(path, SCHEMA) as writer:
                for table in tables:
                    writer.write_table(table)
            yield lambda: map(pa.Table.from_batches, _batches(path))
        finally:
            path.unlink(missing_ok=True)


def remove_left(folder: Path) -> None:
    """What processes that were killed have left; waits for one that stages rows now."""
    if folder.is_dir():
        with file_lock(folder / "staging.lock"):
            _remove_left(folder)


def _remove_left(folder: Path) -> None:
    for left in folder.glob(f"*{_STAGED}"):
        left.unlink()


def _batches(path: Path) -> Iterator[list[pa.RecordBatch]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches():
            yield [batch]
