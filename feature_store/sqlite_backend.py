"""Feast's SQLite tables: one row for each feature of an entity.

Feast makes what is missing. Made here first, a table is one B-tree, by entity and feature; as
Feast makes it, it is three: rows by number, and two indexes that find them. Its statements are the
same for both.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import Self

from adloom.feature_store.backend import (
    NONE_GONE,
    Gone,
    Known,
    Row,
    Rows,
    StoreDamaged,
    StoreUnavailable,
    differing,
)
from adloom.feature_store.layout import Layout
from adloom.feature_store.naming import Name, name_of_folder
from adloom.feature_store.sqlite_errors import damage_in
from adloom.feature_store.sqlite_file import (
    REMEDY,
    SqliteTable,
    connect,
    create_tables,
    empty_write_ahead,
    failures_told,
    identity,
    remove,
)

_KEYS_OF_ONE_READ = 30_000  # SQLite takes 32,766 variables in a statement
_ROWS_OF_ONE_WRITE = 200
_BESIDE = ".rebuild"
_DAMAGED = ".damaged"


class SqliteBackend:
    """Reads and writes have a connection each, so that a write holds up no reader."""

    deletes = True

    def __init__(self, file: Path, project: str, layout: Layout) -> None:
        self.layout = layout
        self._file, self._project = file, project
        views = layout.views.values()
        self._views = [view.feast for view in views]
        self._tables = {view.name: SqliteTable.of(project, view) for view in views}
        self._reading, self._writing = threading.Lock(), threading.Lock()
        self._opened: tuple[int, int] | None = None
        self._damaged = False
        self._error: StoreUnavailable | None = None
        self._pair: tuple[sqlite3.Connection, sqlite3.Connection] | None = None
        with suppress(StoreUnavailable), self._told():  # whoever uses it is told
            self._open()
        # Whether no other connection has written since the first write of this one.
        self._alone = True
        self._version: int | None = None

    def _open(self) -> None:
        create_tables(self._file, self._project, self._views)
        self._pair = connect(self._file), connect(self._file)
        self._opened = identity(self._file)

    def _let_go(self) -> None:
        pair, self._pair = self._pair, None
        for connection in pair or ():
            connection.close()

    @property
    def _reader(self) -> sqlite3.Connection:
        return self._open_pair()[0]

    @property
    def _writer(self) -> sqlite3.Connection:
        return self._open_pair()[1]

    def _open_pair(self) -> tuple[sqlite3.Connection, sqlite3.Connection]:
        """Both connections. Raises the last error while the file cannot be opened."""
        if self._pair is None:
            raise self._error or StoreUnavailable(f"{self._file} is closed")
        return self._pair

    def check(self) -> None:
        """Another file may have been put in the place of the one that is open, or none.

        Once damage was met the whole file is looked through, until there is none.
        """
        with self._reading, self._writing, self._told():
            if self._pair is None or self._damaged or identity(self._file) != self._opened:
                self._let_go()
                if (
                    self._damaged
                    and self._file.exists()
                    and (found := damage_in(self._file)) is not None
                ):
                    raise StoreDamaged(f"{self._file} is damaged ({found}): {REMEDY}")
                self._open()
                self._damaged = False
                self._alone, self._version = False, None
            self._reader.execute("SELECT 1 FROM sqlite_master").fetchone()
            if not os.access(self._file, os.W_OK):
                raise StoreUnavailable(f"{self._file} cannot be written: mend its rights")

    def name(self) -> Name:
        with failures_told(self._file):
            return name_of_folder(self._file.parent)

    def read(self, view: str, keys: Sequence[bytes]) -> list[Row]:
        with self._reading, self._told():
            return self._read(self._reader, view, keys)

    def write(
        self, rows: Rows, known: Known, cached: Callable[[], Known], gone: Gone = NONE_GONE
    ) -> Known:
        with self._writing, self._told(), self._transaction():
            if found := self._differing(known):
                return found
            if not self._is_alone() and (found := self._differing(cached())):
                return found
            for view, changed in rows.items():
                self._write(view, changed)
            for view, keys in gone.items():
                delete = f"DELETE FROM {self._tables[view].sql} WHERE entity_key = ?"
                self._writer.executemany(delete, [(key,) for key in keys])
        return {}

    def rows(self, view: str) -> Iterator[tuple[bytes, Row]]:
        with self._told(), closing(connect(self._file)) as connection:
            found = connection.execute(
                f"SELECT entity_key, feature_name, value FROM {self._tables[view].sql} "
                "ORDER BY entity_key"
            )
            own, prefix = self._tables[view].features, self._tables[view].prefix
            for key, features in groupby(found, key=itemgetter(0)):
                if not key.startswith(prefix):
                    continue  # of other names for the entities, which the table had before
                yield key, {own[name]: value for _, name, value in features if name in own}

    def entities(self) -> int | None:
        return None  # it would have to read all of them

    def beside(self) -> Self:
        file = self._file.with_name(self._file.name + _BESIDE)
        remove(file)
        create_tables(file, self._project, self._views)
        return type(self)(file, self._project, self.layout)

    def replace(self, beside: Self, known: Known) -> bool:
        try:
            return self._replace_rows(beside, known)
        except StoreDamaged:
            self._replace_file(beside)
            return True

    def _replace_file(self, beside: Self) -> None:
        """A damaged file is set aside whole: nothing can be deleted from it row by row."""
        with self._reading, self._writing, self._told():
            beside._let_go()  # all that it has is in its file then
            self._let_go()
            for ending in ("-wal", "-shm"):
                self._file.with_name(self._file.name + ending).unlink(missing_ok=True)
            if self._file.exists():
                self._file.replace(self._file.with_name(self._file.name + _DAMAGED))
            beside._file.replace(self._file)
            self._open()
            self._damaged = self._alone = False
            self._version = None

    def _replace_rows(self, beside: Self, known: Known) -> bool:
        with self._writing, self._told():
            self._writer.execute("ATTACH ? AS beside", [str(beside._file)])
            try:
                with self._transaction():
                    if self._differing(known):
                        return False
                    for table in self._tables.values():
                        self._writer.execute(f"DELETE FROM {table.sql}")
                        self._writer.execute(
                            f"INSERT INTO {table.sql} SELECT * FROM beside.{table.sql}"
                        )
            finally:
                with suppress(sqlite3.Error):  # what went wrong before is what is told
                    self._writer.execute("DETACH beside")
        return True

    def clear(self) -> None:
        with self._writing, self._told(), self._transaction():
            for table in self._tables.values():
                self._writer.execute(f"DELETE FROM {table.sql}")

    def scrub(self) -> None:
        """SQLite marks pages as free: the file is written anew. What was set aside goes too."""
        with self._writing, self._told():
            self._writer.execute("VACUUM")
            empty_write_ahead(self._writer)
            for ending in ("", "-wal", "-shm"):
                self._file.with_name(self._file.name + _DAMAGED + ending).unlink(missing_ok=True)

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
            self._let_go()
        if self._file.suffix == _BESIDE:
            remove(self._file)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors in words; damage is remembered, and looked for by `check`."""
        try:
            with failures_told(self._file):
                yield
        except StoreUnavailable as error:
            self._error = error
            self._damaged |= isinstance(error, StoreDamaged)
            raise

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._writer.commit()
        except BaseException:
            self._writer.rollback()
            raise

    def _read(
        self,
        connection: sqlite3.Connection,
        view: str,
        keys: Sequence[bytes],
        names: Sequence[str] = (),
    ) -> list[Row]:
        """Rows in the order of the keys, with all features or those of the names."""
        found: dict[bytes, dict[str, bytes]] = {key: {} for key in keys}
        own = self._tables[view].features
        names = [self._tables[view].columns[name] for name in names]
        wanted = f"AND feature_name IN ({_places(names)})" if names else ""
        for start in range(0, len(keys), _KEYS_OF_ONE_READ):
            part = keys[start : start + _KEYS_OF_ONE_READ]
            for key, feature, value in connection.execute(
                f"SELECT entity_key, feature_name, value FROM {self._tables[view].sql} "
                f"WHERE entity_key IN ({_places(part)}) {wanted}",
                [*part, *names],
            ):
                if (name := own.get(feature)) is not None:
                    found[key][name] = value
        return [found[key] for key in keys]

    def _write(self, view: str, rows: Mapping[bytes, Row]) -> None:
        now, columns = int(time.time()), self._tables[view].columns
        # In the order of the table, so that what lies on one page is written together.
        values = [
            (key, columns[name], value) for key in sorted(rows) for name, value in rows[key].items()
        ]
        for start in range(0, len(values), _ROWS_OF_ONE_WRITE):
            part = values[start : start + _ROWS_OF_ONE_WRITE]
            places = "(?2,?3,?4,?1)" + ",(?,?,?,?1)" * (len(part) - 1)  # the moment is bound once
            self._writer.execute(
                f"INSERT INTO {self._tables[view].sql} (entity_key, feature_name, value, event_ts) "
                f"VALUES {places} ON CONFLICT (entity_key, feature_name) "
                "DO UPDATE SET value = excluded.value, event_ts = excluded.event_ts",
                [now, *chain.from_iterable(part)],
            )


def _places(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
