"""The database of a home of its own: one SQLite file, for several processes of one machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event

from adloom.feature_store.write_ahead import write_ahead
from adloom.loop.database.file_health import FileHealth
from adloom.loop.database.health import watch

_LOCKED_SECONDS = 30.0
_CACHE_KIBIBYTES = 16 * 1024


def database_file(home: Path) -> Path:
    """Of a home."""
    return home / "adloom.db"


def sqlite_engine(file: Path) -> Engine:
    """The engine of a file, made where there is none. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not file.exists():
        os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))
    # A file that is removed meanwhile must not come back empty.
    uri = f"sqlite:///{file.absolute().as_uri()}?mode=rw&uri=true"
    engine = create_engine(uri, connect_args={"timeout": _LOCKED_SECONDS})
    watch(engine, FileHealth(file, engine.dispose))
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: Any, _: Any) -> None:
    write_ahead(connection, _LOCKED_SECONDS)
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten
    # The file is not mapped into memory: one that is cut short would end the process.
    connection.execute(f"PRAGMA cache_size=-{_CACHE_KIBIBYTES}")
