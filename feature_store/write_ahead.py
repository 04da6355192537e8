"""SQLite's write-ahead log: readers do not wait for a writer, nor a writer for them."""

from __future__ import annotations

import sqlite3
import time

_TRY_AGAIN_SECONDS = 0.01


def write_ahead(database: sqlite3.Connection, patience_seconds: float) -> None:
    """Turn a database to the write-ahead log, which is kept in its file.

    SQLite does not wait for another process that writes a new file meanwhile, whatever time it
    is given: it has the file open for reading by then. So it is asked again.

    Raises sqlite3.Error; a lock that is held for longer than ``patience_seconds`` is one.
    """
    until = time.monotonic() + patience_seconds
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
        time.sleep(_TRY_AGAIN_SECONDS)
