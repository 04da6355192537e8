"""The offline store's ground: every event, in parquet files that are only ever added.

A batch is one small file, written beside its place and moved into it. When enough files of a
size have gathered, they become one file of the next size, so the number of files grows with the
logarithm of the number of batches. A batch that is logged twice is no harm: reading leaves out
events it has seen.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from adloom.feature_store.locking import file_lock

_log = logging.getLogger(__name__)

EventKind = Literal["impression", "click", "exposure"]

LOG_FOLDER = "log"
"""The log's folder under the home of the feature store."""
_FILES_TO_MERGE = 32
_ROWS_OF_ONE_READ = 10_000
_LARGEST_MERGE_BYTES = 32 * 1024 * 1024  # a merge of more would hold up the consumer


class NotAnEventLog(ValueError):
    """A file whose rows are not events; the message says why."""


class LoggedEvent(NamedTuple):
    """An event and the place in the stream it came from.

    `ts` is aware; `context` and `extra` are JSON objects, the latter with the fields of the event
    that adloom does not know. `topic_id` tells a topic from one of the same name made later.
    """

    kind: EventKind
    event_id: str
    ts: datetime
    user_id: str
    item_id: str
    topic: str
    partition: int
    offset: int
    topic_id: str = ""
    ad_id: str | None = None
    variant: str | None = None
    propensity: float | None = None
    position: int | None = None
    context: str = "{}"
    extra: str = "{}"


_COLUMNS: dict[str, pa.DataType] = {
    "kind": pa.string(),
    "event_id": pa.string(),
    "ts": pa.timestamp("us", tz="UTC"),
    "user_id": pa.string(),
    "item_id": pa.string(),
    "topic": pa.string(),
    "partition": pa.int32(),
    "offset": pa.int64(),
    "topic_id": pa.string(),
    "ad_id": pa.string(),
    "variant": pa.string(),
    "propensity": pa.float64(),
    "position": pa.int32(),
    "context": pa.string(),
    "extra": pa.string(),
}
_NEEDED = ("kind", "event_id", "ts", "user_id", "item_id")
_SCHEMA = pa.schema(list(_COLUMNS.items()))
assert tuple(_COLUMNS) == LoggedEvent._fields


class EventLog:
    """The log in one folder. Any number of processes may append and read at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._merging = folder / "merge.lock"
        self._merger = ThreadPoolExecutor(max_workers=1, thread_name_prefix="merge")
        self._merge: Future[None] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def append(self, events: Sequence[LoggedEvent]) -> None:
        """Adds events; they are on the disk when this returns. Merging goes on behind it."""
        if not events:
            return
        columns = zip(zip(*events, strict=True), _COLUMNS.values(), strict=True)
        arrays = [pa.array(values, kind) for values, kind in columns]
        self._write(pa.Table.from_arrays(arrays, schema=_SCHEMA), size=0)
        if self._merge is None or self._merge.done():
            self._merge = self._merger.submit(self._merge_small_files)

    def close(self) -> None:
        """Waits for the merge that is under way."""
        self._merger.shutdown()

    def read(
        self,
        kind: EventKind | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> pd.DataFrame:
        """Events of a kind (all kinds: None) with since <= ts < until, in order of time.

        Columns are the fields of `LoggedEvent`, ts as datetime64[us, UTC]; an event id counts
        once for each kind. Values that an event does not have are null.
        """
        table = self._table(_condition(kind, since, until))
        frame = table.to_pandas().drop_duplicates(["kind", "event_id"], ignore_index=True)
        return frame.sort_values(["ts", "event_id"], ignore_index=True)

    def batches(self) -> Iterator[list[LoggedEvent]]:
        """Every row, in the order it was appended, some thousand at a time.

        Other than in `read`, an event that was logged twice comes twice. Nothing is merged until
        the last batch was taken.
        """
        with file_lock(self._merging, shared=True):
            for path in sorted(self._files(), key=_largest_first):  # they are the oldest
                yield from read_events(path, in_stream_order=True)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.parquet"), key=lambda path: path.name)

    def _table(self, condition: pc.Expression | None) -> pa.Table:
        # A listing made during a merge could miss both the small files and the large one.
        with file_lock(self._merging, shared=True):
            files = self._files()
            if not files:
                return _SCHEMA.empty_table()
            return pq.read_table(files, filters=condition, schema=_SCHEMA)

    def _write(self, table: pa.Table, size: int) -> None:
        name = f"{size}-{time.time_ns():020d}-{uuid.uuid4().hex[:8]}"
        partial = self._folder / f"{name}.partial"
        with partial.open("wb") as file:
            pq.write_table(table, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._folder / f"{name}.parquet")

    def _merge_small_files(self) -> None:
        """A crash between write and unlink leaves events twice: reading them counts once."""
        size = 0
        try:
            while _worth_merging(self._of_size(size)):
                with file_lock(self._merging):
                    files = self._of_size(size)  # another process may have merged them by now
                    if _worth_merging(files):
                        self._write(pq.read_table(files, schema=_SCHEMA), size + 1)
                        for path in files:
                            path.unlink()
                size += 1
        except OSError:
            _log.exception("small files of the event log were not merged; the next batch tries it")

    def _of_size(self, size: int) -> list[Path]:
        return [path for path in self._files() if path.name.startswith(f"{size}-")]


def read_events(file: Path, *, in_stream_order: bool = False) -> Iterator[list[LoggedEvent]]:
    """Rows of a parquet file with columns as the log's, in their order.

    Needed are kind, event_id, ts, user_id and item_id. Raises NotAnEventLog, FileNotFoundError.

    Args:
        in_stream_order: the rows say where in the stream they were, in the order of offsets. If
            not, they get places of a stream of their own: what someone sorted anew would
            otherwise look like old offsets that came again.
    """
    try:
        with pq.ParquetFile(file) as rows:
            names = [name for name in _COLUMNS if name in rows.schema_arrow.names]
            missing = [name for name in _NEEDED if name not in names]
            if missing:
                raise NotAnEventLog(f"{file}: no column {', '.join(missing)}")
            first = 0
            for batch in rows.iter_batches(_ROWS_OF_ONE_READ, columns=names):
                yield _events(batch, first, in_stream_order)
                first += batch.num_rows
    except pa.ArrowInvalid as error:
        raise NotAnEventLog(f"{file} cannot be read as events: {error}") from error


def _events(batch: pa.RecordBatch, first: int, in_stream_order: bool) -> list[LoggedEvent]:
    columns: dict[str, list[Any]] = {
        name: batch.column(name).cast(_COLUMNS[name]).to_pylist() for name in batch.schema.names
    }
    for name in _NEEDED:
        if None in columns[name]:
            row = first + columns[name].index(None)
            raise NotAnEventLog(f"row {row} has no {name}")
    unknown = set(columns["kind"]) - set(get_args(EventKind))
    if unknown:
        raise NotAnEventLog(f"kind {unknown.pop()!r} is none of {', '.join(get_args(EventKind))}")
    rows = batch.num_rows
    if not in_stream_order:
        offsets = list(range(first, first + rows))
        places: dict[str, list[Any]] = {"topic": ["file"] * rows, "topic_id": [""] * rows}
        columns |= places | {"partition": [0] * rows, "offset": offsets}
    blank = LoggedEvent._field_defaults
    complete = [columns.get(name) or [blank[name]] * rows for name in _COLUMNS]
    return list(map(LoggedEvent._make, zip(*complete, strict=True)))


def _largest_first(path: Path) -> int:
    size, dash, _ = path.name.partition("-")
    return -int(size) if dash and size.isdecimal() else 0


def _worth_merging(files: Sequence[Path]) -> bool:
    if len(files) < _FILES_TO_MERGE:
        return False
    try:
        return sum(path.stat().st_size for path in files) <= _LARGEST_MERGE_BYTES
    except FileNotFoundError:  # another process is merging them
        return False


def _condition(
    kind: EventKind | None, since: datetime | None, until: datetime | None
) -> pc.Expression | None:
    conditions = []
    if kind is not None:
        conditions.append(pc.field("kind") == kind)
    if since is not None:
        conditions.append(pc.field("ts") >= pa.scalar(since, _SCHEMA.field("ts").type))
    if until is not None:
        conditions.append(pc.field("ts") < pa.scalar(until, _SCHEMA.field("ts").type))
    together = None
    for condition in conditions:
        together = condition if together is None else together & condition
    return together
