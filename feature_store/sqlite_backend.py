"""Feast's SQLite tables: one row for each feature of an entity.

Feast makes what is missing. Made here first, a table is one B-tree, by entity and feature; as
Feast makes it, it is three: rows by number, and two indexes that find them. Its statements are the
same for both.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import Self

from feast import FeatureView

from adloom.feature_store.backend import Known, Row, Rows, StoreUnavailable, differing

_KEYS_OF_ONE_READ = 30_000  # SQLite takes 32,766 variables in a statement
_PATIENCE_SECONDS = 5.0
_CACHE_KIBIBYTES = 64 * 1024
_PAGES_BEFORE_CHECKPOINT = 16_384
_PAGE_BYTES = 8_192  # a row of a long history spills over less often than from SQLite's 4 KiB
_ROWS_OF_ONE_WRITE = 200
_BESIDE = ".rebuild"


def create_tables(file: Path, project: str, views: Sequence[FeatureView]) -> None:
    """Creates the tables that do not exist yet, with the columns and names that Feast uses."""
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute(f"PRAGMA page_size = {_PAGE_BYTES}")  # of a new file
        # Kept in the file: whoever opens it reads while the consumer writes.
        database.execute("PRAGMA journal_mode = WAL")
        for view in views:
            table = f"{project}_{view.name}"
            if database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [table]).fetchone():
                continue
            database.execute(
                f'CREATE TABLE "{table}" (entity_key BLOB, feature_name TEXT, value BLOB, '
                "value_text TEXT, vector_value BLOB, event_ts timestamp, created_ts timestamp, "
                "PRIMARY KEY (entity_key, feature_name)) WITHOUT ROWID"
            )
            # Feast's index on the key, which is how the rows lie already: it stays empty.
            database.execute(
                f'CREATE INDEX "{table}_ek" ON "{table}" (entity_key) WHERE entity_key IS NULL'
            )


class SqliteBackend:
    """Reads and writes have a connection each, so that a write holds up no reader."""

    def __init__(self, file: Path, project: str, views: Sequence[FeatureView]) -> None:
        self._file, self._project, self._views = file, project, views
        self._tables = {view.name: f'"{project}_{view.name}"' for view in views}
        self._reading, self._writing = threading.Lock(), threading.Lock()
        self._open()
        # Whether no other connection has written since the first write of this one.
        self._alone = True
        self._version: int | None = None

    def _open(self) -> None:
        self._reader, self._writer = _connect(self._file), _connect(self._file)
        self._opened = _identity(self._file)

    def check(self) -> None:
        """Another file may have been put in the place of the one that is open, or none."""
        with self._reading, self._writing, _failures_told():
            if _identity(self._file) != self._opened:
                self._reader.close()
                self._writer.close()
                create_tables(self._file, self._project, self._views)
                self._open()
                self._alone, self._version = False, None
            self._reader.execute("SELECT 1 FROM sqlite_master").fetchone()

    def read(self, view: str, keys: Sequence[bytes]) -> list[Row]:
        with self._reading, _failures_told():
            return self._read(self._reader, view, keys)

    def write(self, rows: Rows, known: Known, cached: Callable[[], Known]) -> Known:
        with self._writing, _failures_told(), self._transaction():
            if found := self._differing(known):
                return found
            if not self._is_alone() and (found := self._differing(cached())):
                return found
            for view, changed in rows.items():
                self._write(view, changed)
        return {}

    def rows(self, view: str) -> Iterator[tuple[bytes, Row]]:
        with _failures_told(), closing(_connect(self._file)) as connection:
            found = connection.execute(
                f"SELECT entity_key, feature_name, value FROM {self._tables[view]} "
                "ORDER BY entity_key"
            )
            for key, features in groupby(found, key=itemgetter(0)):
                yield key, {name: value for _, name, value in features}

    def entities(self) -> int | None:
        return None  # it would have to read all of them

    def beside(self) -> Self:
        file = self._file.with_name(self._file.name + _BESIDE)
        _remove(file)
        create_tables(file, self._project, self._views)
        return type(self)(file, self._project, self._views)

    def replace(self, beside: Self, known: Known) -> bool:
        with self._writing, _failures_told():
            self._writer.execute("ATTACH ? AS beside", [str(beside._file)])
            try:
                with self._transaction():
                    if self._differing(known):
                        return False
                    for table in self._tables.values():
                        self._writer.execute(f"DELETE FROM {table}")
                        self._writer.execute(f"INSERT INTO {table} SELECT * FROM beside.{table}")
            finally:
                self._writer.execute("DETACH beside")
        return True

    def clear(self) -> None:
        with self._writing, _failures_told(), self._transaction():
            for table in self._tables.values():
                self._writer.execute(f"DELETE FROM {table}")

    def _is_alone(self) -> bool:
        (version,) = self._writer.execute("PRAGMA data_version").fetchone()
        alone = self._alone and version == self._version
        self._alone = alone or self._version is None
        self._version = version
        return alone

    def _differing(self, known: Known) -> Known:
        """Of what is known, the values that the store has otherwise."""
        found = {}
        for view, rows in known.items():
            names = list(dict.fromkeys(chain.from_iterable(rows.values())))
            stored = self._read(self._writer, view, list(rows), names)
            if others := differing(rows, stored):
                found[view] = others
        return found

    def close(self) -> None:
        with self._reading, self._writing:
            self._reader.close()
            self._writer.close()
        if self._file.suffix == _BESIDE:
            _remove(self._file)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._writer.rollback()
            raise
        self._writer.commit()

    def _read(
        self,
        connection: sqlite3.Connection,
        view: str,
        keys: Sequence[bytes],
        names: Sequence[str] = (),
    ) -> list[Row]:
        """Rows in the order of the keys, with all features or those of the names."""
        found: dict[bytes, dict[str, bytes]] = {key: {} for key in keys}
        wanted = f"AND feature_name IN ({_places(names)})" if names else ""
        for start in range(0, len(keys), _KEYS_OF_ONE_READ):
            part = keys[start : start + _KEYS_OF_ONE_READ]
            for key, feature, value in connection.execute(
                f"SELECT entity_key, feature_name, value FROM {self._tables[view]} "
                f"WHERE entity_key IN ({_places(part)}) {wanted}",
                [*part, *names],
            ):
                found[key][feature] = value
        return [found[key] for key in keys]

    def _write(self, view: str, rows: Mapping[bytes, Row]) -> None:
        now = int(time.time())
        # In the order of the table, so that what lies on one page is written together.
        values = [
            (key, name, value, now) for key in sorted(rows) for name, value in rows[key].items()
        ]
        for start in range(0, len(values), _ROWS_OF_ONE_WRITE):
            part = values[start : start + _ROWS_OF_ONE_WRITE]
            places = ",".join(["(?,?,?,?)"] * len(part))
            self._writer.execute(
                f"INSERT INTO {self._tables[view]} (entity_key, feature_name, value, event_ts) "
                f"VALUES {places} ON CONFLICT (entity_key, feature_name) "
                "DO UPDATE SET value = excluded.value, event_ts = excluded.event_ts",
                list(chain.from_iterable(part)),
            )


def _places(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _remove(file: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        file.with_name(file.name + ending).unlink(missing_ok=True)


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        file, timeout=_PATIENCE_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA synchronous = FULL")  # committed is on the disk
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIBIBYTES}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_BEFORE_CHECKPOINT}")
    return connection


@contextmanager
def _failures_told() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(f"the SQLite online store cannot be used: {error}") from error
