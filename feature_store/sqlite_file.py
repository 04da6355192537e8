"""The file of the SQLite online store: its tables, its connections, and what its errors mean."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple, Self

from feast import FeatureView
from feast.infra.key_encoding_utils import serialize_entity_key_prefix

from adloom.feature_store.backend import StoreDamaged, StoreUnavailable
from adloom.feature_store.layout import View
from adloom.feature_store.sqlite_errors import is_damage, told
from adloom.feature_store.write_ahead import write_ahead

REMEDY = "run adloom backfill, which makes it anew from the event log"
_PATIENCE_SECONDS = 5.0
_LOOK_SECONDS = 0.05
_CACHE_KIBIBYTES = 64 * 1024
_PAGES_BEFORE_CHECKPOINT = 16_384
_PAGE_BYTES = 8_192  # a row of a long history spills over less often than from SQLite's 4 KiB


class SqliteTable(NamedTuple):
    """How a view lies in the file.

    Attributes:
        sql: the name of its table, quoted.
        columns: what its features are called there, by adloom's names.
        features: adloom's names by those.
        prefix: how its keys begin.
    """

    sql: str
    columns: Mapping[str, str]
    features: Mapping[str, str]
    prefix: bytes

    @classmethod
    def of(cls, project: str, view: View) -> Self:
        features = {column: name for name, column in view.columns.items()}
        prefix = serialize_entity_key_prefix(sorted(view.join_keys))
        return cls(f'"{project}_{view.feast.name}"', view.columns, features, prefix)


def create_tables(file: Path, project: str, views: Sequence[FeatureView]) -> None:
    """Creates the tables that do not exist yet, with the columns and names that Feast uses.

    Raises StoreUnavailable; StoreDamaged where the file is no database.
    """
    with failures_told(file), closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute(f"PRAGMA page_size = {_PAGE_BYTES}")  # of a new file
        write_ahead(database, _PATIENCE_SECONDS)
        for view in views:
            table = f"{project}_{view.name}"
            database.execute(  # another process may make them at the same time
                f'CREATE TABLE IF NOT EXISTS "{table}" (entity_key BLOB, feature_name TEXT, '
                "value BLOB, value_text TEXT, vector_value BLOB, event_ts timestamp, "
                "created_ts timestamp, PRIMARY KEY (entity_key, feature_name)) WITHOUT ROWID"
            )
            # Feast's index on the key, which is how the rows lie already: it stays empty.
            database.execute(
                f'CREATE INDEX IF NOT EXISTS "{table}_ek" ON "{table}" (entity_key) '
                "WHERE entity_key IS NULL"
            )


def identity(file: Path) -> tuple[int, int] | None:
    """Tells a file from another that takes its name; None where there is none."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def remove(file: Path) -> None:
    """The database and what SQLite keeps beside it."""
    for ending in ("", "-wal", "-shm"):
        file.with_name(file.name + ending).unlink(missing_ok=True)


def connect(file: Path) -> sqlite3.Connection:
    """A connection for any thread. Raises sqlite3.Error."""
    connection = sqlite3.connect(
        file, timeout=_PATIENCE_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA synchronous = FULL")  # committed is on the disk
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIBIBYTES}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_BEFORE_CHECKPOINT}")
    return connection


def empty_write_ahead(connection: sqlite3.Connection) -> None:
    """All of it comes into the file and nothing stays beside it. Raises sqlite3.OperationalError
    where others read for longer than anyone waits."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not busy:
            return
        if time.monotonic() > deadline:
            raise sqlite3.OperationalError("database is locked")
        time.sleep(_LOOK_SECONDS)


@contextmanager
def failures_told(file: Path) -> Iterator[None]:
    """What the block raises of SQLite or the system, as StoreUnavailable or StoreDamaged."""
    try:
        yield
    except sqlite3.Error as error:
        if is_damage(error):
            raise StoreDamaged(told(file, error, REMEDY)) from error
        if _is_empty(file):  # nobody can make its tables while others have it open
            raise StoreDamaged(f"{file} is damaged (it is empty): {REMEDY}") from error
        raise StoreUnavailable(told(file, error, REMEDY)) from error
    except OSError as error:
        raise StoreUnavailable(f"{file} cannot be used ({error.strerror})") from error


def _is_empty(file: Path) -> bool:
    try:
        return file.stat().st_size == 0
    except OSError:
        return False
