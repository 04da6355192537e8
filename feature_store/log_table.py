"""The event log as a Delta table: commits of any number of machines, and the rows of its files."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from adloom.feature_store.backend import LogUnavailable
from adloom.feature_store.delta_errors import one_line
from adloom.feature_store.log_layout import (
    BY_DAY,
    BY_USER,
    EVERY_DAY,
    LAID,
    MOST_DAYS,
    PERIOD,
    TABLE,
    Places,
    Where,
    laid_out,
    unknown_rows,
)
from adloom.feature_store.log_reading import LogFiles
from adloom.feature_store.log_stream_names import StreamNames, firsts_of, named_in
from adloom.feature_store.log_tidying import WRITING, is_due, tidy
from adloom.feature_store.progress import NOTHING, Reached

_TRIES = 40
_LONGEST_PAUSE_SECONDS = 0.05
_SETTINGS: Mapping[str, str | None] = {
    "delta.dataSkippingStatsColumns": "kind,ts,user_id,topic,topic_id,partition,offset,place",
    "delta.deletedFileRetentionDuration": "interval 1 days",
    "delta.logRetentionDuration": "interval 1 days",
}


HURRIED: Mapping[str, str] = {
    "timeout": "4s",
    "connect_timeout": "3s",
    "max_retries": "1",
    "retry_timeout": "5s",
}
"""For who would rather be told soon that a bucket is away than wait until it is back."""


class LogTable:
    """One table, in a folder or under an address such as `s3://bucket/log`.

    Any number of threads, processes and machines may append and read at once. What the storage
    asks for (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL` and the like) comes from the environment.
    Every method raises LogUnavailable.
    """

    def __init__(
        self,
        url: Path | str,
        endpoint_url: str | None = None,
        patience: Mapping[str, str] | None = None,
    ) -> None:
        """``patience``: how long a bucket is waited for; none = the library's, three minutes."""
        self._folder = url.absolute() if isinstance(url, Path) else None
        self._url = str(self._folder or url)
        options = {**(patience or {}), **({} if endpoint_url is None else _options(endpoint_url))}
        self._options = options or None
        self._lock = threading.RLock()
        self._table: DeltaTable | None = None
        self._files: LogFiles | None = None
        self._places, self._names = Places(), StreamNames()
        self._tidier = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tidy-log")
        self._tidying: Future[None] | None = None

    def close(self) -> None:
        """Waits for the tidying that is under way."""
        self._tidier.shutdown()

    def append(
        self,
        rows: pa.Table,
        reached: Sequence[Reached] = (),
        noted: Sequence[Reached] = (),
        most_days: int = MOST_DAYS,
    ) -> None:
        """Puts rows of `SCHEMA` in, in one commit; they are on the disk when this returns.

        Args:
            reached: how far these rows take partitions. What the table has of them already is
                left out, and it notes how far they are: who comes with it again adds nothing.
            noted: what it notes besides, for `noted`.
            most_days: events of more days than these lie by their year.
        """
        with self._lock:
            for _ in range(_TRIES):
                table = self._made()
                known = {place: self._noted(table, place) for place in reached}
                new = unknown_rows(rows, known)
                if not new.num_rows:
                    return
                laid = laid_out(new, self._places.of(new.num_rows), most_days)
                names = self._names.unknown(laid, self._files_now())
                higher = [place for place, last in known.items() if place.offset > last]
                if self._commit(table, pa.concat_tables([laid, names]), [*higher, *noted]):
                    self._names.named(names)
                    return
            raise LogUnavailable(f"{self._url}: others keep writing the event log")

    def noted(self, place: Reached) -> int:
        """The offset that the table has noted of a partition; -1 where it has none."""
        with self._lock:
            table = self._opened()
            return NOTHING if table is None else self._noted(table, place)

    def append_all(self, tables: Iterator[pa.Table]) -> None:
        """Puts any number of rows of `SCHEMA` in, in one commit."""
        with self._lock:
            table = self._made()
            rows = self._laid_and_named(tables, self._files_now())
            batches = (batch for part in rows for batch in part.to_batches())
            if not self._commit(table, pa.RecordBatchReader.from_batches(TABLE, batches), []):
                raise LogUnavailable(f"{self._url}: others keep writing the event log")

    def _laid_and_named(
        self, tables: Iterator[pa.Table], files: LogFiles | None
    ) -> Iterator[pa.Table]:
        firsts = firsts_of([])
        for rows in tables:
            laid = laid_out(rows, self._places.of(rows.num_rows), EVERY_DAY)
            firsts = firsts_of([firsts, laid])
            yield laid
        yield self._names.unknown(firsts, files)

    def rows(
        self,
        columns: Sequence[str],
        condition: pc.Expression | None = None,
        where: Where = (),
        laid: str = BY_DAY,
        users: Collection[str] | None = None,
    ) -> pa.Table:
        """Rows in any order. Raises LogDamaged.

        Args:
            where: of which files.
            users: those that the condition asks for, where rows lie by user.
        """
        files = self._files_now()
        if files is None:
            return TABLE.empty_table().select(list(columns))
        if laid == BY_USER and users is not None:
            return files.rows_of(users, where, columns, condition)
        return files.rows(laid, where, columns, condition)

    def all_rows(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """All events in any order, some thousand at a time. Raises LogDamaged."""
        files = self._files_now()
        return iter(()) if files is None else files.all_rows(BY_DAY, columns)

    def streams(self) -> pa.Table:
        """`STREAM` of all that events were appended of, and the place of the first. LogDamaged."""
        files = self._files_now()
        return firsts_of([]) if files is None else named_in(files)

    def files(self) -> pa.Table:
        """What is told of each file by day: `num_records`, and `min.…`, `max.…` by column."""
        files = self._files_now()
        return pa.table({}) if files is None else files.told(BY_DAY)

    def _files_now(self) -> LogFiles | None:
        """Those of the newest version; None where nothing was appended yet."""
        with self._lock:
            table = self._opened()
            if table is None:
                return None
            if self._files is None or self._files.version != table.version():
                try:
                    self._files = LogFiles(table, self._folder)
                except (DeltaError, OSError) as error:
                    raise self._unavailable(error) from error
            return self._files

    def _opened(self) -> DeltaTable | None:
        """As it is now; None where nothing was appended yet."""
        try:
            if self._table is None:
                self._table = DeltaTable(self._url, storage_options=self._options)
            else:
                self._table.update_incremental()
        except TableNotFoundError:
            self._names.forget()
            return None
        except (DeltaError, OSError) as error:
            self._table = None
            raise self._unavailable(error) from error
        return self._table

    def _made(self) -> DeltaTable:
        while (table := self._opened()) is None:
            if self._folder is not None:
                self._folder.mkdir(parents=True, exist_ok=True)
            try:
                DeltaTable.create(
                    self._url,
                    TABLE,
                    mode="ignore",
                    partition_by=[LAID, PERIOD],
                    configuration=_SETTINGS,
                    storage_options=self._options,
                )
            except CommitFailedError:
                continue  # another made it meanwhile
            except (DeltaError, OSError) as error:
                raise self._unavailable(error) from error
        return table

    def _commit(
        self, table: DeltaTable, rows: pa.Table | pa.RecordBatchReader, noted: Sequence[Reached]
    ) -> bool:
        """False where another was faster with the same partitions."""
        transactions = [Transaction(_stream(place), place.offset) for place in noted]
        try:
            write_deltalake(
                table,
                rows,
                mode="append",
                writer_properties=WRITING,
                commit_properties=CommitProperties(app_transactions=transactions),
            )
        except CommitFailedError:
            time.sleep(random.uniform(0, _LONGEST_PAUSE_SECONDS))
            return False
        except (DeltaError, OSError) as error:
            self._table = None
            raise self._unavailable(error) from error
        version = table.version()
        if self._folder is not None:
            _to_disk(self._folder, version)
        if is_due(version) and (self._tidying is None or self._tidying.done()):
            self._tidying = self._tidier.submit(tidy, self._url, self._options)
        return True

    def _noted(self, table: DeltaTable, place: Reached) -> int:
        """The last offset that the table has of a partition."""
        try:
            version = table.transaction_version(_stream(place))
        except (DeltaError, OSError) as error:
            self._table = None
            raise self._unavailable(error) from error
        return NOTHING if version is None else version

    def _unavailable(self, error: Exception) -> LogUnavailable:
        told = f"the event log in {self._url} cannot be used: {one_line(error)}"
        if self._folder is None:
            told += ": see that the store runs, and to log.url, log.endpoint_url and its login"
        return LogUnavailable(told)


def _options(endpoint_url: str) -> dict[str, str]:
    plain = str(endpoint_url.startswith("http://")).lower()
    return {"AWS_ENDPOINT_URL": endpoint_url, "AWS_ALLOW_HTTP": plain}


def _stream(place: Reached) -> str:
    return f"{place.topic}/{place.partition}/{place.topic_id}"


def _to_disk(folder: Path, version: int) -> None:
    """The library leaves it to the system when files reach the disk: a power cut may take them."""
    log = folder / "_delta_log"
    entry = log / f"{version:020d}.json"
    actions: list[dict[str, Any]] = list(map(json.loads, entry.read_text().splitlines()))
    files = [folder / action["add"]["path"] for action in actions if "add" in action]
    for path in {*files, *(file.parent for file in files), entry, log}:
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def files_of_log(folder: Path) -> list[Path]:
    """The files of a log in a folder that have its events; none where there is no log in it."""
    if not DeltaTable.is_deltatable(str(folder)):
        return []
    files = DeltaTable(folder).file_uris(file_pruning_predicate=[(LAID, "=", BY_DAY)])
    return sorted(map(Path, files))
