"""The SQLite file of the creative store: one connection, and what is said when it fails."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adloom.loop.catalogue.creatives.table import prepare_table
from adloom.loop.catalogue.database_health import DatabaseHealth

_LOCKED_SECONDS = 30.0
_REMEDY = "put a copy back, or remove it with its -wal and -shm and start adloom again"


class CreativesDatabase:
    """Safe to use from several threads: one at a time has the connection."""

    def __init__(self, file: Path) -> None:
        """Make the file where there is none. Raises DatabaseUnusable."""
        self._file = file
        self._lock = threading.Lock()
        self._open: sqlite3.Connection | None = None
        file.touch(mode=0o600)
        self._health = DatabaseHealth("creatives", file, _REMEDY, self.close)
        with self.asked() as connection:
            prepare_table(connection, _LOCKED_SECONDS)

    def close(self) -> None:
        """Let the connection go; who asks next opens the file that is there then."""
        with self._lock:
            connection, self._open = self._open, None
            if connection is not None:
                connection.close()

    def problem(self) -> str | None:
        """Why the file cannot be used, in one line; None where it can."""
        return self._health.problem(self._probe)

    @contextmanager
    def asked(self) -> Iterator[sqlite3.Connection]:
        """The connection. Raises DatabaseUnusable in the place of SQLite's errors."""
        with self._lock:
            try:
                yield self._connected()
            except sqlite3.Error as error:
                raise self._health.unusable(error) from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of the block, or nothing. Raises DatabaseUnusable."""
        with self.asked() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.rollback()
                raise

    def _probe(self) -> None:
        with self.asked() as connection:
            connection.execute("SELECT ad_id FROM creative LIMIT 1").fetchone()

    def _connected(self) -> sqlite3.Connection:
        """Never makes the file: one that was removed must not come back empty."""
        if self._open is None:
            uri = f"{self._file.absolute().as_uri()}?mode=rw"
            self._open = sqlite3.connect(
                uri,
                uri=True,
                check_same_thread=False,
                isolation_level=None,
                timeout=_LOCKED_SECONDS,
            )
        return self._open
