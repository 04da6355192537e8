"""The event log as a Delta table: commits of any number of machines, and the rows of its files."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from adloom.feature_store.backend import LogUnavailable
from adloom.feature_store.log_disk import to_disk
from adloom.feature_store.log_erasing import TOLD, TOLD_OF_FILES, Erasing, Going, left_beside
from adloom.feature_store.log_layout import (
    EVERY_DAY,
    LAID,
    MOST_DAYS,
    PERIOD,
    TABLE,
    Places,
    laid_out,
    unknown_rows,
)
from adloom.feature_store.log_opened import OpenTable
from adloom.feature_store.log_reading import LogFiles
from adloom.feature_store.log_stream_names import firsts_of
from adloom.feature_store.log_tidying import WRITING, is_due, tidy
from adloom.feature_store.progress import NOTHING, Reached

_TRIES = 40
_LONGEST_PAUSE_SECONDS = 0.05
_SETTINGS: Mapping[str, str | None] = {
    TOLD: ",".join(TOLD_OF_FILES),
    "delta.deletedFileRetentionDuration": "interval 1 days",
    "delta.logRetentionDuration": "interval 1 days",
}


class LogTable(OpenTable):
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
        super().__init__(url, endpoint_url, patience)
        self._places = Places()
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
                names = self._names.unknown(laid, self._files_now)
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
        yield self._names.unknown(firsts, lambda: files)

    def erase(self, going: Going) -> None:
        """Rows go for good, in one commit, and then the files that had them."""
        with self._lock:
            files, table = self._files_now(), self._opened()
            if files is None or table is None:
                return
            try:
                if "user_id" in table.metadata().configuration.get(TOLD, ""):
                    table.alter.set_table_properties({TOLD: str(_SETTINGS[TOLD])})
                Erasing(self._url, self._options, going).commit(table, self._files_of_now)
                if self._folder is not None:
                    to_disk(self._folder, table.version())
                # Not `full`, which takes files that others are about to commit.
                table.vacuum(0, dry_run=False, enforce_retention_duration=False)
                used = self._files_of_now().told_of_all().column("path").to_pylist()
                for path in left_beside(files.filesystem, set(used)):
                    files.filesystem.delete_file(path)
            except CommitFailedError as error:
                raise LogUnavailable(f"{self._url}: others keep writing the event log") from error
            except (DeltaError, OSError) as error:
                self._table = None
                raise self._unavailable(error) from error

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
            to_disk(self._folder, version)
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


def _stream(place: Reached) -> str:
    return f"{place.topic}/{place.partition}/{place.topic_id}"
