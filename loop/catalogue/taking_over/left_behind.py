"""A SQLite file that the database has not taken over, read by nobody else meanwhile."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Table

from adloom.feature_store.sqlite_errors import told
from adloom.loop.database.health import DatabaseUnusable

_PATIENCE_SECONDS = 1.0


class HomeInUse(RuntimeError):
    """What is taken over may still be written to; the message says what to do."""

    def __init__(self, file: Path) -> None:
        super().__init__(
            f"{file} is open in another process: stop the servers, trainers and imports of this "
            "home, then adloom migrate"
        )


class LeftBehind:
    """Reads one file."""

    def __init__(self, file: Path, connection: sqlite3.Connection) -> None:
        self.file = file
        self._connection = connection
        query = "SELECT name FROM sqlite_master WHERE type = 'table'"
        self._tables = {name for (name,) in connection.execute(query)}

    def __contains__(self, table: Table) -> bool:
        return table.name in self._tables

    def count(self, table: Table) -> int:
        """How many rows a table has; none where it is not there."""
        return self.value(f"SELECT count(*) FROM {table.name}") or 0 if table in self else 0

    def value(self, query: str) -> Any:
        """The first value of an answer; None where there is none."""
        row = self._connection.execute(query).fetchone()
        return None if row is None else row[0]

    def rows(self, table: Table, at_once: int) -> Iterator[Sequence[dict[str, Any]]]:
        """All rows in the order of their keys, so many at a time."""
        if table not in self:
            return
        keys = ", ".join(column.name for column in table.primary_key)
        answer = self._connection.execute(f"SELECT * FROM {table.name} ORDER BY {keys}")
        names = [column[0] for column in answer.description]
        while some := answer.fetchmany(at_once):
            yield [dict(zip(names, row, strict=True)) for row in some]


@contextmanager
def alone_with(file: Path) -> Iterator[LeftBehind]:
    """Nobody else opens the file within the block. Raises HomeInUse, DatabaseUnusable."""
    uri = f"{file.absolute().as_uri()}?mode=rw"
    try:
        with closing(
            sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_PATIENCE_SECONDS)
        ) as connection:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            yield LeftBehind(file, connection)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            raise HomeInUse(file) from error
        raise DatabaseUnusable(told(file, error, "put a copy back")) from error
