"""What was deleted is in no file of the database any more."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import Engine

from adloom.feature_store.sqlite_file import empty_write_ahead
from adloom.loop.database.health import DatabaseUnusable


def scrub(engine: Engine) -> None:
    """SQLite keeps what it overwrites in the log beside its file until that is emptied; a server
    sees to its own files.

    Raises DatabaseUnusable where others read for longer than anyone waits.
    """
    if engine.dialect.name != "sqlite":
        return
    with engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        try:
            empty_write_ahead(raw)
        except sqlite3.OperationalError as error:
            raise DatabaseUnusable(f"the database is busy ({error}): run this again") from error
