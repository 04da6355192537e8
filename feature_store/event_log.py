"""The offline store's ground: every event, in a Delta table.

A batch that is logged twice is no harm: the table knows how far it has partitions, and reading
leaves out events that came before.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Self
from weakref import WeakSet

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from adloom.feature_store.backend import LogUnavailable
from adloom.feature_store.log_erasing import Going
from adloom.feature_store.log_layout import TABLE, Where
from adloom.feature_store.log_order import StreamOrder
from adloom.feature_store.log_staging import remove_left, staged_rows
from adloom.feature_store.log_streams import LoggedStream, last_offset_of, of_stream, streams_of
from adloom.feature_store.log_table import LogTable
from adloom.feature_store.log_telling import ROWS_AT_ONCE, in_order_of_appending, tell
from adloom.feature_store.log_window import Window
from adloom.feature_store.log_writer import LogWriter
from adloom.feature_store.logged import SCHEMA, EventKind, LoggedEvent, events_of, table_of
from adloom.feature_store.naming import Name, name_of_folder
from adloom.feature_store.progress import Reached
from adloom.feature_store.settings import LogSettings

__all__ = ["FILE_TOPIC", "WITHOUT_FEATURES", "EventKind", "EventLog", "LoggedEvent"]

WITHOUT_FEATURES: EventKind = "outcome"
"""The kind of events that are kept and read, and change no features."""
FILE_TOPIC = "file"
"""What stands for a topic where events came from a file; each file has a topic id of its own."""


_USERS_AT_ONCE = 1_000

_WRITERS: dict[str, WeakSet[LogWriter]] = {}
"""Of this process, by where they append."""


class EventLog:
    """The log in one table. Any number of processes and machines may append and read at once.

    Every method raises LogUnavailable.
    """

    def __init__(
        self,
        url: Path | str,
        endpoint_url: str | None = None,
        patience: Mapping[str, str] | None = None,
    ) -> None:
        """Asks nothing yet.

        Args:
            url: a folder, or an address such as `s3://bucket/log`.
            endpoint_url: of another object store than Amazon's.
            patience: with a bucket that is away, as `LogTable` takes it.
        """
        self._table = LogTable(url, endpoint_url, patience)
        self._url = url
        self._place = str(url.absolute() if isinstance(url, Path) else url)

    def name(self) -> Name:
        """The same for all who append to it."""
        if isinstance(self._url, str):
            return Name(self._url, self._url)
        try:
            return name_of_folder(self._url)
        except OSError as error:
            raise LogUnavailable(f"{self._url} cannot be used ({error.strerror})") from error

    @classmethod
    def under(cls, settings: LogSettings, home: Path) -> Self:
        """The log of the feature store under a home."""
        return cls(settings.place(home), settings.endpoint_url)

    def append(self, events: Sequence[LoggedEvent], reached: Sequence[Reached] = ()) -> None:
        """Adds events, in one step; they are on the disk when this returns.

        Args:
            reached: how far the events take partitions. What the log has of these already is left
                out, so that a batch that comes again adds nothing, whoever brings it.
        """
        if events:
            self._table.append(table_of(events), reached)

    def writer(self, seconds: float) -> LogWriter:
        """Who appends behind a reader of the stream, in commits so many seconds apart.

        What it was given is in the log for every reader in this process.
        """
        writer = LogWriter(lambda events, reached: self.append(events, reached), seconds)
        _WRITERS.setdefault(self._place, WeakSet()).add(writer)
        return writer

    @contextmanager
    def staged(self, batches: Iterable[Sequence[LoggedEvent]]) -> Iterator[Callable[[], None]]:
        """Any number of events beside the log; what is given puts them all in, in one step.

        Whatever fails before, a batch that raises or the end of the process, adds none of them.
        """
        rows = (table_of(events) for events in batches if events)
        with staged_rows(rows, self._staging) as again:
            yield lambda: self._table.append_all(again())

    @property
    def _staging(self) -> Path:
        scratch = self._url if isinstance(self._url, Path) else Path(tempfile.gettempdir())
        return scratch / "_staged"

    def remove_staged(self) -> None:
        """What processes that were killed have left beside the log; none of it is in it."""
        remove_left(self._staging)

    def records(self) -> int:
        """How many there are, those of events that came again too."""
        self._flush()
        files = self._table.files()
        return int(pc.sum(files.column("num_records")).as_py() or 0) if files.num_rows else 0

    def columns(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Some columns of all records, in any order, some thousand at a time."""
        self._flush()
        return self._table.all_rows(names)

    def look(self) -> None:
        """Asks whether its table can be used, and reads none of it. Raises LogUnavailable."""
        self._table.look()

    def streams(self) -> list[LoggedStream]:
        """The partitions that the log has events of, by which was appended to first."""
        self._flush()
        return streams_of(self._table)

    def close(self) -> None:
        """Waits for files that are being merged."""
        self._table.close()

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
        self._flush()
        return Window(kinds, since, until, users).read(self._table, columns)

    def ends(self) -> tuple[datetime, datetime] | None:
        """The times of the earliest and the latest event; None in an empty log."""
        self._flush()
        files = self._table.files()
        if not files.num_rows:
            return None
        return pc.min(files.column("min.ts")).as_py(), pc.max(files.column("max.ts")).as_py()

    def batches(self) -> Iterator[list[LoggedEvent]]:
        """Every record, in the order they were appended, some thousand at a time.

        Records of one topic id and partition are in the order of offsets, however late some were
        appended. An event comes as often as there are records of it. What is appended meanwhile
        may be left out. Raises LogDamaged.
        """
        self._flush()
        return tell(self._table)

    def between(
        self, topic: str, topic_id: str, partition: int, first: int, end: int
    ) -> Iterator[list[LoggedEvent]]:
        """Records of a partition with first <= offset < end, by offset, each offset once."""
        self._flush()
        offset = pc.field("offset")
        wanted = of_stream(topic, topic_id, partition) & (offset >= first) & (offset < end)
        where: Where = [("topic", "=", topic), ("offset", ">=", first), ("offset", "<", end)]
        rows = in_order_of_appending(self._table.rows(TABLE.names, wanted, where))
        offsets, places = np.unique(rows.column("offset").to_numpy(), return_index=True)
        for start in range(0, len(offsets), ROWS_AT_ONCE):
            yield events_of(rows.take(places[start : start + ROWS_AT_ONCE]))

    def of(self, users: Sequence[str], items: Sequence[str] = ()) -> list[LoggedEvent]:
        """Every record of these users and items, in the order that `batches` has.

        With them come other records of the same events, which may count instead.
        """
        self._flush()
        of_items = pc.field("item_id").isin(pa.array(items, pa.string()))
        wanted = pc.field("user_id").isin(pa.array(users, pa.string()))
        if items:
            ids = self._table.rows(["event_id"], of_items).column("event_id").unique()
            wanted |= pc.field("event_id").isin(ids)
        return _as_told(self._table.rows(TABLE.names, wanted))

    def of_users(self, users: Collection[str]) -> list[LoggedEvent]:
        """Every record of these users, in the order that `batches` has."""
        self._flush()
        return _as_told(self._table.rows_of(users, TABLE.names))

    def before(self, moment: datetime) -> Iterator[list[LoggedEvent]]:
        """Every record with ts < moment, those of one file at a time, older files first."""
        self._flush()
        older = pc.field("ts") < pa.scalar(moment, SCHEMA.field("ts").type)
        for rows in self._table.parts(older, [("ts", "<", moment)]):
            if rows.num_rows:
                yield _as_told(rows)

    def others_of_ads(self, ad_ids: Collection[str], users: Collection[str]) -> set[str]:
        """Those ads that others than these users saw or clicked. Reads two columns of the log."""
        self._flush()
        theirs = pc.field("user_id").isin(pa.array(users, pa.string()))
        wanted = pc.field("ad_id").isin(pa.array(ad_ids, pa.string())) & ~theirs
        rows = self._table.rows(["ad_id"], wanted)
        return set(rows.column("ad_id").unique().to_pylist())

    def erase_users(self, users: Collection[str]) -> None:
        """Deletes all records of these users, and the files that had them."""
        self._flush()
        for names in _batched(users, _USERS_AT_ONCE):
            self._table.erase(Going(users=names))

    def erase_before(self, moment: datetime) -> None:
        """Deletes all records with ts < moment, and the files that had them."""
        self._flush()
        self._table.erase(Going(before=moment))

    def last_offset(self, topic: str, topic_id: str, partition: int) -> int | None:
        """The highest offset that is logged of a partition; None where there is none."""
        self._flush()
        return last_offset_of(self._table, topic, topic_id, partition)

    def flush(self) -> None:
        """What consumers in this process have taken in is logged when this returns."""
        self._flush()

    def _flush(self) -> None:
        for writer in list(_WRITERS.get(self._place, ())):
            writer.flush()


def _as_told(rows: pa.Table) -> list[LoggedEvent]:
    """Each record once, in the order that `EventLog.batches` has."""
    rows = in_order_of_appending(rows)
    order = StreamOrder(rows)
    kept, joining = order.between(0, rows.num_rows)
    return events_of(rows.take(order.sorted(np.concatenate([kept, joining]))))


def _batched(names: Collection[str], size: int) -> Iterator[list[str]]:
    """So many names at a time."""
    every = iter(names)
    while part := list(islice(every, size)):
        yield part
