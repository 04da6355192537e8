"""Any online store of Feast, through Feast's own interface.

It writes rows and reads them by key, and promises little: no step over rows, no comparison, no list
of what there is. So every row tells how far the stream is in it and whether it is whole
(`adloom.feature_store.marks`), progress is written last, and a row that a crash cut through is made
anew from the event log. What stays is told at the start: two members that write the same user at
the same moment may undo each other's work.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from feast.infra.online_stores.helpers import get_online_store_from_config
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import RepoConfig

from adloom.feature_store.backend import (
    NONE_GONE,
    Gone,
    Known,
    OnlineBackend,
    Row,
    Rows,
    StoreUnavailable,
    StoreUnfit,
    WrittenOver,
    differing,
)
from adloom.feature_store.entity_key import Key, entity_key_of, names_of
from adloom.feature_store.layout import Layout, View
from adloom.feature_store.naming import Name
from adloom.feature_store.sqlite_backend import SqliteBackend
from adloom.feature_store.wire import string_value

_log = logging.getLogger(__name__)

_ROWS_AT_ONCE = 1_000
_PROGRESS = "stream_progress"
_ORDER = ("user_events", "user_stats", "user_history", "user_impressions", "item_stats", _PROGRESS)
"""Pages are told of by users, users say which events count, and progress, last, tells of all."""
_NAME: Key = (-1,)
"""Of a row beside those of the partitions, which is the same for all who write to the store."""


class FeastBackend:
    """Reads and writes have a client each, so that a write holds up no reader."""

    deletes = False

    def __init__(self, config: RepoConfig, layout: Layout, folder: Path) -> None:
        """Ask nothing yet. What is made beside the store lies in the folder meanwhile."""
        self.layout = layout
        self._config, self._folder = config, folder
        self._kind = str(config.online_store.type)
        self._keys = {view.name: _Keys(view) for view in layout.views.values()}
        self._reader, self._writer = _Client(config, layout), _Client(config, layout)
        self._told_limits = False

    def check(self) -> None:
        with self._failures_told():
            self._read(self._reader, _PROGRESS, [self._name_key])
        if not self._told_limits:
            self._told_limits = True
            _log.warning(
                "the online store %s compares nothing when it is written: events of a user must "
                "come in one partition (key them by user id), since two members that write the "
                "same user at the same moment may undo each other's work; adloom features check "
                "finds it, adloom backfill mends it",
                self._kind,
            )

    def problem(self) -> str | None:
        """What keeps it from being read, tables that are not made yet apart; nothing is made."""
        view = self.layout.views[_PROGRESS]
        try:
            with self._failures_told():
                store = get_online_store_from_config(self._config.online_store)
                store.online_read(
                    self._config, view.feast, [self._keys[_PROGRESS].proto(self._name_key)], None
                )
        except StoreUnavailable as error:
            return None if _tells_of_no_table(str(error)) else str(error)
        return None

    def name(self) -> Name:
        with self._failures_told():
            found = self._stored_name()
            if found is None:
                new = string_value(uuid.uuid4().hex)
                self._write(_PROGRESS, {self._name_key: {"progress": new}})
                found = self._stored_name() or new
        key = Value.FromString(found).string_val
        return Name(key, f"{self._kind}, marked {key[:8]}")

    def read(self, view: str, keys: Sequence[bytes]) -> list[Row]:
        with self._failures_told():
            return self._read(self._reader, view, keys)

    def write(
        self, rows: Rows, known: Known, cached: Callable[[], Known], gone: Gone = NONE_GONE
    ) -> Known:
        if gone:
            raise StoreUnfit(f"rows cannot be deleted in {self._kind} through Feast")
        with self._failures_told():
            if found := self._differing({**known, **cached()}):
                return found
            for view in _ORDER:
                if view == _PROGRESS and self._differing(known):
                    raise WrittenOver
                self._write(view, rows.get(view, {}))
        return {}

    def rows(self, view: str) -> Iterator[tuple[bytes, Row]]:
        return iter(())

    def entities(self) -> int | None:
        return None

    def beside(self) -> OnlineBackend:
        file = self._folder / "online.rebuild"
        file.unlink(missing_ok=True)
        return SqliteBackend(file, self._config.project, self.layout)

    def replace(self, beside: OnlineBackend, known: Known) -> bool:
        """Readers find rows missing while they are put in place.

        Cut off, there is no progress, and the stream goes on from its beginning; rows that are
        there tell what is in them.
        """
        with self._failures_told():
            if self._differing(known):
                return False
        self.clear()
        with self._failures_told():
            for view in _ORDER:
                part: dict[bytes, Row] = {}
                for key, row in beside.rows(view):
                    part[key] = row
                    if len(part) == _ROWS_AT_ONCE:
                        self._write(view, part)
                        part = {}
                self._write(view, part)
        return True

    def clear(self) -> None:
        with self._failures_told():
            name = self._stored_name()
            self._writer.make_anew()
            if name is not None:
                self._write(_PROGRESS, {self._name_key: {"progress": name}})

    def scrub(self) -> None:
        """Its files are the store's own."""

    def close(self) -> None:
        self._reader.forget()
        self._writer.forget()

    @property
    def _name_key(self) -> bytes:
        return entity_key_of(self.layout.views[_PROGRESS])(_NAME)

    def _stored_name(self) -> bytes | None:
        return self._read(self._writer, _PROGRESS, [self._name_key])[0].get("progress")

    def _differing(self, known: Known) -> Known:
        found = {}
        for view, rows in known.items():
            stored = self._read(self._writer, view, list(rows))
            if others := differing(rows, stored):
                found[view] = others
        return found

    def _read(self, client: _Client, view: str, keys: Sequence[bytes]) -> list[Row]:
        feast = self.layout.views[view]
        own = {column: name for name, column in feast.columns.items()}
        rows: list[Row] = []
        for start in range(0, len(keys), _ROWS_AT_ONCE):
            protos = [self._keys[view].proto(key) for key in keys[start : start + _ROWS_AT_ONCE]]
            for _, values in client.read(feast, protos):
                rows.append(
                    {
                        own[column]: value.SerializeToString()
                        for column, value in (values or {}).items()
                        if column in own and value.WhichOneof("val") is not None
                    }
                )
        return rows

    def _write(self, view: str, rows: Mapping[bytes, Row]) -> None:
        feast, now = self.layout.views[view], datetime.now(UTC)
        ordered = sorted(rows)
        for start in range(0, len(ordered), _ROWS_AT_ONCE):
            data = [
                (
                    self._keys[view].proto(key),
                    {
                        feast.columns[name]: Value.FromString(value)
                        for name, value in rows[key].items()
                    },
                    now,
                    None,
                )
                for key in ordered[start : start + _ROWS_AT_ONCE]
            ]
            self._writer.write(feast, data)

    @contextmanager
    def _failures_told(self) -> Iterator[None]:
        try:
            yield
        except (StoreUnavailable, WrittenOver):
            raise
        except Exception as error:  # each store has errors of its own
            first = str(error).strip().partition("\n")[0] or type(error).__name__
            told = f"the online store {self._kind} cannot be used: {first}"
            raise StoreUnavailable(told) from error


def _tells_of_no_table(text: str) -> bool:
    return "no such table" in text or ("relation" in text and "does not exist" in text)


class _Client:
    """One of Feast's clients, for one thread at a time; after a failure it connects anew."""

    def __init__(self, config: RepoConfig, layout: Layout) -> None:
        self._config = config
        self._views = [view.feast for view in layout.views.values()]
        self._lock = threading.Lock()
        self._store: OnlineStore | None = None

    def read(self, view: View, keys: list[EntityKey]) -> list[Any]:
        with self._connected() as store:
            return store.online_read(self._config, view.feast, keys, list(view.columns.values()))

    def write(self, view: View, data: list[Any]) -> None:
        with self._connected() as store:
            store.online_write_batch(self._config, view.feast, data, None)

    def make_anew(self) -> None:
        """All tables of the views, empty."""
        with self._connected() as store:
            store.update(self._config, self._views, [], [], [], True)
            store.update(self._config, [], self._views, [], [], True)

    def forget(self) -> None:
        """Feast has no way to close a store: its connection goes with it."""
        with self._lock:
            self._store = None

    @contextmanager
    def _connected(self) -> Iterator[OnlineStore]:
        with self._lock:
            try:
                if self._store is None:
                    store = get_online_store_from_config(self._config.online_store)
                    store.update(self._config, [], self._views, [], [], True)
                    self._store = store
                yield self._store
            except BaseException:
                self._store = None
                raise


class _Keys:
    """Feast's entity keys of a view, from their bytes."""

    def __init__(self, view: View) -> None:
        self._names, self._values = view.join_keys, names_of(view)

    def proto(self, key: bytes) -> EntityKey:
        pairs = sorted(zip(self._names, self._values(key), strict=True))
        return EntityKey(
            join_keys=[name for name, _ in pairs],
            entity_values=[
                Value(int64_val=value) if isinstance(value, int) else Value(string_val=value)
                for _, value in pairs
            ],
        )
