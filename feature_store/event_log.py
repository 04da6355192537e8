"""The offline store's ground: every event, in parquet files that are only ever added.

A batch is one small file, written beside its place and moved into it. A batch that is logged
twice is no harm: reading leaves out events it has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from adloom.feature_store.backend import LogDamaged
from adloom.feature_store.log_files import LogFiles
from adloom.feature_store.log_order import IDENTITY, STREAM, StreamOrder, once_each

EventKind = Literal["impression", "click", "exposure", "outcome"]

WITHOUT_FEATURES: EventKind = "outcome"
"""The kind of events that are kept and read, and change no features."""
LOG_FOLDER = "log"
"""The log's folder under the home of the feature store."""
FILE_TOPIC = "file"
"""What stands for a topic where events came from a file; each file has a topic id of its own."""
_ROWS_OF_ONE_READ = 10_000


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
_SCHEMA = pa.schema(list(_COLUMNS.items()))
assert tuple(_COLUMNS) == LoggedEvent._fields
_TOLD_APART = (*IDENTITY, *STREAM, "offset", "ts")


class EventLog:
    """The log in one folder. Any number of processes may append and read at once."""

    def __init__(self, folder: Path) -> None:
        self._files = LogFiles(folder, _SCHEMA)

    def append(self, events: Sequence[LoggedEvent]) -> None:
        """Adds events; they are on the disk when this returns."""
        if events:
            self._files.add(_table(events))

    @contextmanager
    def staged(self, batches: Iterable[Sequence[LoggedEvent]]) -> Iterator[Callable[[], None]]:
        """Any number of events beside the log; what is given puts them all in, in one step.

        Whatever fails before, a batch that raises or the end of the process, adds none of them.
        """
        with self._files.staged(_table(events) for events in batches if events) as put_in:
            yield put_in

    def records(self) -> int:
        """How many there are, those of events that came again too."""
        with self._files.listed() as files:
            return sum(_rows_in(path) for path in files)

    def columns(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Some columns of all records, as they were appended, some thousand at a time."""
        with self._files.listed() as files:
            yield from _tables(files, names)

    def close(self) -> None:
        """Waits for files that are being merged."""
        self._files.close()

    def read(
        self,
        kind: EventKind | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        columns: Sequence[str] = _SCHEMA.names,
    ) -> pd.DataFrame:
        """Events of a kind (all kinds: None) with since <= ts < until, in order of time.

        Columns are the fields of `LoggedEvent`, ts as datetime64[us, UTC]; where only some are
        asked for, those come and the ones that tell events apart. An event counts once,
        by what it says where it counts: see `adloom.feature_store.log_order`. Values that an
        event does not have are null.
        """
        wanted = [name for name in _SCHEMA.names if name in {*_TOLD_APART, *columns}]
        of_kind = pc.field("kind") == kind if kind is not None else pc.scalar(True)
        window = _window(since, until)
        with self._files.listed() as files:
            rows = _read(files, of_kind & window, wanted)
            # What happened at another time by the row of the event that counts is not in here.
            ids = pc.field("event_id").isin(rows.column("event_id").unique())
            elsewhere = of_kind & ids & ~window
            if (since or until) and _read(files, elsewhere, ["event_id"]).num_rows:
                rows = _read(files, of_kind & ids, wanted)
        frame = once_each(rows.to_pandas())
        if since is not None:
            frame = frame[frame["ts"] >= since]
        if until is not None:
            frame = frame[frame["ts"] < until]
        return frame.sort_values(["ts", "event_id"], ignore_index=True)

    def batches(self) -> Iterator[list[LoggedEvent]]:
        """Every record, in the order they were appended, some thousand at a time.

        Records of one topic id and partition are in the order of offsets, however late some were
        appended. An event comes as often as there are records of it. Nothing is merged until the
        last batch was taken.
        """
        with self._files.listed() as files:
            order = StreamOrder(_read(files, None, [*STREAM, "offset"]))
            late = _read_places(files, order.late)
            late_places = np.flatnonzero(order.late)
            first = 0
            for table in _tables(files):
                kept, joining = order.between(first, first + table.num_rows)
                rows = [
                    table.take(kept - first),
                    late.take(np.searchsorted(late_places, joining)),
                ]
                told = order.sorted(np.concatenate([kept, joining]))
                yield _events(pa.concat_tables(rows).take(told))
                first += table.num_rows

    def between(
        self, topic: str, topic_id: str, partition: int, first: int, end: int
    ) -> Iterator[list[LoggedEvent]]:
        """Records of a partition with first <= offset < end, by offset, each offset once."""
        offset = pc.field("offset")
        wanted = _of(topic, topic_id, partition) & (offset >= first) & (offset < end)
        with self._files.listed() as files:
            rows = _read(files, wanted)
        offsets, places = np.unique(rows.column("offset").to_numpy(), return_index=True)
        for start in range(0, len(offsets), _ROWS_OF_ONE_READ):
            yield _events(rows.take(places[start : start + _ROWS_OF_ONE_READ]))

    def of(self, users: Sequence[str], items: Sequence[str] = ()) -> list[LoggedEvent]:
        """Every record of these users and items, in the order that `batches` has.

        With them come other records of the same events, which may count instead.
        """
        of_items = pc.field("item_id").isin(pa.array(items, pa.string()))
        wanted = pc.field("user_id").isin(pa.array(users, pa.string()))
        with self._files.listed() as files:
            if items:
                ids = _read(files, of_items, ["event_id"]).column("event_id").unique()
                wanted |= pc.field("event_id").isin(ids)
            rows = _read(files, wanted)
        order = StreamOrder(rows)
        kept, joining = order.between(0, rows.num_rows)
        return _events(rows.take(order.sorted(np.concatenate([kept, joining]))))

    def last_offset(self, topic: str, topic_id: str, partition: int) -> int | None:
        """The highest offset that is logged of a partition; None where there is none."""
        highest = None
        with self._files.listed() as files:
            for path in reversed(files):  # where the newest are, most of the older is passed over
                wanted = _of(topic, topic_id, partition)
                if highest is not None:
                    wanted &= pc.field("offset") > highest
                found = pc.max(_read([path], wanted, ["offset"]).column("offset")).as_py()
                highest = highest if found is None else found
        return highest


def _of(topic: str, topic_id: str, partition: int) -> pc.Expression:
    return (
        (pc.field("topic") == topic)
        & (pc.field("topic_id") == topic_id)
        & (pc.field("partition") == pa.scalar(partition, pa.int32()))
    )


def _window(since: datetime | None, until: datetime | None) -> pc.Expression:
    window = pc.scalar(True)
    if since is not None:
        window &= pc.field("ts") >= pa.scalar(since, _COLUMNS["ts"])
    if until is not None:
        window &= pc.field("ts") < pa.scalar(until, _COLUMNS["ts"])
    return window


def _read(
    files: Sequence[Path], condition: pc.Expression | None, columns: Sequence[str] | None = None
) -> pa.Table:
    """Rows in the order they were appended."""
    if not files:
        empty: pa.Table = _SCHEMA.empty_table()
        return empty.select(columns or _SCHEMA.names)
    try:
        return pq.read_table(files, filters=condition, schema=_SCHEMA, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(files, error) from error


def _tables(files: Sequence[Path], names: Sequence[str] = _SCHEMA.names) -> Iterator[pa.Table]:
    """All rows in the order they were appended, some thousand at a time."""
    for path in files:
        rows = ds.dataset(path, schema=_SCHEMA, format="parquet")
        batches = rows.to_batches(columns=list(names), batch_size=_ROWS_OF_ONE_READ)
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                raise _unreadable([path], error) from error
            if batch is None:
                break
            yield pa.Table.from_batches([batch])


def _rows_in(file: Path) -> int:
    try:
        return int(pq.read_metadata(file).num_rows)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable([file], error) from error


def _unreadable(files: Sequence[Path], error: Exception) -> LogDamaged:
    """Names the first of the files that cannot be read whole."""
    for file in files:
        try:
            pq.read_table(file, schema=_SCHEMA)
        except (pa.ArrowException, OSError) as found:
            first = str(found).splitlines()[0]
            return LogDamaged(
                f"{file} of the event log is damaged ({first}): put a copy of it back, or move it "
                "out of the folder and run adloom backfill, which leaves its events out"
            )
    return LogDamaged(f"the event log could not be read: {error}")


def _read_places(files: Sequence[Path], wanted: np.ndarray[Any, np.dtype[np.bool_]]) -> pa.Table:
    """The rows whose places are wanted, bool (n,), in the order they were appended."""
    found, first = [_SCHEMA.empty_table()], 0
    if wanted.any():
        for table in _tables(files):
            found.append(table.filter(pa.array(wanted[first : first + table.num_rows])))
            first += table.num_rows
    return pa.concat_tables(found)


def _table(events: Sequence[LoggedEvent]) -> pa.Table:
    columns = zip(zip(*events, strict=True), _COLUMNS.values(), strict=True)
    return pa.Table.from_arrays(
        [pa.array(values, kind) for values, kind in columns], schema=_SCHEMA
    )


def _events(rows: pa.Table) -> list[LoggedEvent]:
    columns = [column.to_pylist() for column in rows.select(_SCHEMA.names).columns]
    return list(map(LoggedEvent._make, zip(*columns, strict=True)))
