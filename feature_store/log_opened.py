"""The log's Delta table as it is now, and what is read from it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from adloom.feature_store.backend import LogDamaged, LogUnavailable
from adloom.feature_store.delta_errors import one_line
from adloom.feature_store.log_layout import BY_DAY, BY_USER, TABLE, Where
from adloom.feature_store.log_reading import LogFiles
from adloom.feature_store.log_stream_names import StreamNames, firsts_of, named_in

HURRIED: Mapping[str, str] = {
    "timeout": "4s",
    "connect_timeout": "3s",
    "max_retries": "1",
    "retry_timeout": "5s",
}
"""For who would rather be told soon that a bucket is away than wait until it is back."""


class OpenTable:
    """One table, in a folder or under an address such as `s3://bucket/log`.

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
        self._names = StreamNames()

    def rows_of(self, users: Collection[str], columns: Sequence[str]) -> pa.Table:
        """All rows of some users in any order, once each. Raises LogDamaged."""
        theirs = pc.field("user_id").isin(pa.array(users, pa.string()))
        return self._read(columns, lambda files: files.rows_of(BY_DAY, users, (), columns, theirs))

    def parts(self, condition: pc.Expression, where: Where) -> Iterator[pa.Table]:
        """Whole rows, those of one file at a time, older files first. Raises LogDamaged."""
        files = self._files_now()
        return iter(()) if files is None else files.parts(BY_DAY, where, condition)

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
        if laid == BY_USER and users is not None:
            return self._read(
                columns, lambda files: files.rows_of(BY_USER, users, where, columns, condition)
            )
        return self._read(columns, lambda files: files.rows(laid, where, columns, condition))

    def all_rows(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """All events in any order, some thousand at a time. Raises LogDamaged."""
        files = self._files_now()
        return iter(()) if files is None else files.all_rows(BY_DAY, columns)

    def look(self) -> None:
        """Raises LogUnavailable where it can neither be opened nor made."""
        with self._lock:
            self._opened()

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

    def _read(self, columns: Sequence[str], ask: Callable[[LogFiles], pa.Table]) -> pa.Table:
        """What is asked of the files; once more where some were erased meanwhile."""
        if (files := self._files_now()) is None:
            return TABLE.empty_table().select(list(columns))
        try:
            return ask(files)
        except LogDamaged:
            if (newer := self._files_of_now()).version == files.version:
                raise
            return ask(newer)

    def _files_of_now(self) -> LogFiles:
        files = self._files_now()
        assert files is not None
        return files

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

    def _unavailable(self, error: Exception) -> LogUnavailable:
        told = f"the event log in {self._url} cannot be used: {one_line(error)}"
        if self._folder is None:
            told += ": see that the store runs, and to log.url, log.endpoint_url and its login"
        return LogUnavailable(told)


def _options(endpoint_url: str) -> dict[str, str]:
    plain = str(endpoint_url.startswith("http://")).lower()
    return {"AWS_ENDPOINT_URL": endpoint_url, "AWS_ALLOW_HTTP": plain}
