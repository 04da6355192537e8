"""The offline store's ground: every event, in parquet files that are only ever added.

A batch is one small file, written beside its place and moved into it. A batch that is logged
twice is no harm: reading leaves out events it has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from adloom.feature_store.log_files import LogFiles, clicks_alone
from adloom.feature_store.log_order import STREAM, StreamOrder
from adloom.feature_store.log_rows import ROWS_OF_ONE_READ, footer, read_rows, tables
from adloom.feature_store.log_spans import Spans
from adloom.feature_store.log_window import Window
from adloom.feature_store.logged import SCHEMA, EventKind, LoggedEvent, events_of, table_of

__all__ = ["FILE_TOPIC", "LOG_FOLDER", "WITHOUT_FEATURES", "EventKind", "EventLog", "LoggedEvent"]

WITHOUT_FEATURES: EventKind = "outcome"
"""The kind of events that are kept and read, and change no features."""
LOG_FOLDER = "log"
"""The log's folder under the home of the feature store."""
FILE_TOPIC = "file"
"""What stands for a topic where events came from a file; each file has a topic id of its own."""


class EventLog:
    """The log in one folder. Any number of processes may append and read at once."""

    def __init__(self, folder: Path) -> None:
        self._files = LogFiles(folder, SCHEMA)
        self._spans, self._click_spans = Spans(), Spans()

    def append(self, events: Sequence[LoggedEvent]) -> None:
        """Adds events; they are on the disk when this returns."""
        if events:
            self._files.add(table_of(events))

    @contextmanager
    def staged(self, batches: Iterable[Sequence[LoggedEvent]]) -> Iterator[Callable[[], None]]:
        """Any number of events beside the log; what is given puts them all in, in one step.

        Whatever fails before, a batch that raises or the end of the process, adds none of them.
        """
        with self._files.staged(table_of(events) for events in batches if events) as put_in:
            yield put_in

    def records(self) -> int:
        """How many there are, those of events that came again too."""
        with self._files.listed() as files:
            return sum(footer(path).num_rows for path in files)

    def columns(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Some columns of all records, as they were appended, some thousand at a time."""
        with self._files.listed() as files:
            yield from tables(files, names)

    def close(self) -> None:
        """Waits for files that are being merged."""
        self._files.close()

    def read(
        self,
        *kinds: EventKind,
        since: datetime | None = None,
        until: datetime | None = None,
        columns: Sequence[str] = SCHEMA.names,
        users: Collection[str] | None = None,
    ) -> pd.DataFrame:
        """Events of some kinds (none named: all) with since <= ts < until, in order of time.

        What is read from the disk is the columns asked for of the files with that time.

        An event counts once, by what it says where it counts: see `adloom.feature_store.log_order`.
        Copies are told apart from it where their times are less than
        `adloom.feature_store.log_window.COPIES_APART` away from the window.

        Args:
            columns: fields of `LoggedEvent`; ts is datetime64[us, UTC], what an event does not
                have is null.
            users: none = all.

        Raises LogDamaged.
        """
        window = Window(kinds, since, until, users)
        with self._files.listed() as files:
            if kinds == ("click",):
                return window.read(list(map(clicks_alone, files)), self._click_spans, columns)
            return window.read(files, self._spans, columns)

    def ends(self) -> tuple[datetime, datetime] | None:
        """The times of the earliest and the latest event; None in an empty log."""
        with self._files.listed() as files:
            spans = [span for span in self._spans.of(files) if span is not None]
        if not spans:
            return None
        return min(span.first for span in spans), max(span.last for span in spans)

    def batches(self) -> Iterator[list[LoggedEvent]]:
        """Every record, in the order they were appended, some thousand at a time.

        Records of one topic id and partition are in the order of offsets, however late some were
        appended. An event comes as often as there are records of it. Nothing is merged until the
        last batch was taken.
        """
        with self._files.listed() as files:
            order = StreamOrder(read_rows(files, None, [*STREAM, "offset"]))
            late = _read_places(files, order.late)
            late_places = np.flatnonzero(order.late)
            first = 0
            for table in tables(files):
                kept, joining = order.between(first, first + table.num_rows)
                rows = [
                    table.take(kept - first),
                    late.take(np.searchsorted(late_places, joining)),
                ]
                told = order.sorted(np.concatenate([kept, joining]))
                yield events_of(pa.concat_tables(rows).take(told))
                first += table.num_rows

    def between(
        self, topic: str, topic_id: str, partition: int, first: int, end: int
    ) -> Iterator[list[LoggedEvent]]:
        """Records of a partition with first <= offset < end, by offset, each offset once."""
        offset = pc.field("offset")
        wanted = _of(topic, topic_id, partition) & (offset >= first) & (offset < end)
        with self._files.listed() as files:
            rows = read_rows(files, wanted)
        offsets, places = np.unique(rows.column("offset").to_numpy(), return_index=True)
        for start in range(0, len(offsets), ROWS_OF_ONE_READ):
            yield events_of(rows.take(places[start : start + ROWS_OF_ONE_READ]))

    def of(self, users: Sequence[str], items: Sequence[str] = ()) -> list[LoggedEvent]:
        """Every record of these users and items, in the order that `batches` has.

        With them come other records of the same events, which may count instead.
        """
        of_items = pc.field("item_id").isin(pa.array(items, pa.string()))
        wanted = pc.field("user_id").isin(pa.array(users, pa.string()))
        with self._files.listed() as files:
            if items:
                ids = read_rows(files, of_items, ["event_id"]).column("event_id").unique()
                wanted |= pc.field("event_id").isin(ids)
            rows = read_rows(files, wanted)
        order = StreamOrder(rows)
        kept, joining = order.between(0, rows.num_rows)
        return events_of(rows.take(order.sorted(np.concatenate([kept, joining]))))

    def last_offset(self, topic: str, topic_id: str, partition: int) -> int | None:
        """The highest offset that is logged of a partition; None where there is none."""
        highest = None
        with self._files.listed() as files:
            for path in reversed(files):  # where the newest are, most of the older is passed over
                wanted = _of(topic, topic_id, partition)
                if highest is not None:
                    wanted &= pc.field("offset") > highest
                found = pc.max(read_rows([path], wanted, ["offset"]).column("offset")).as_py()
                highest = highest if found is None else found
        return highest


def _of(topic: str, topic_id: str, partition: int) -> pc.Expression:
    return (
        (pc.field("topic") == topic)
        & (pc.field("topic_id") == topic_id)
        & (pc.field("partition") == pa.scalar(partition, pa.int32()))
    )


def _read_places(files: Sequence[Path], wanted: np.ndarray[Any, np.dtype[np.bool_]]) -> pa.Table:
    """The rows whose places are wanted, bool (n,), in the order they were appended."""
    found, first = [SCHEMA.empty_table()], 0
    if wanted.any():
        for table in tables(files):
            found.append(table.filter(pa.array(wanted[first : first + table.num_rows])))
            first += table.num_rows
    return pa.concat_tables(found)
