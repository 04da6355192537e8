"""Rows of one feature view, by key: many in one read, and open in memory while they are in use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic, Protocol, Self, TypeVar

from feast import FeatureView

from adloom.feature_store.backend import OnlineBackend, StoreDamaged
from adloom.feature_store.entity_key import Key, entity_key_of
from adloom.feature_store.rows import Values


class Row(Protocol):
    """What a table holds: it starts empty and can be told as serialised Feast values."""

    def __init__(self) -> None: ...

    @classmethod
    def from_values(cls, values: Values) -> Self: ...

    def to_values(self) -> dict[str, bytes]: ...

    def changes(self) -> dict[str, bytes]:
        """The values that the store does not have yet."""


R = TypeVar("R", bound=Row)


class OnlineTable(Generic[R]):
    """A view's rows as they are in the store."""

    def __init__(self, backend: OnlineBackend, view: FeatureView, row_type: type[R]) -> None:
        self.view = view.name
        self.entity_key = entity_key_of(view)
        self._backend = backend
        self._row_type = row_type

    def read(self, keys: Iterable[Key]) -> dict[Key, R]:
        """The rows of all keys; an empty row for a key that has none."""
        return self.read_by({key: self.entity_key(key) for key in keys})

    def read_by(self, entity_keys: Mapping[Key, bytes]) -> dict[Key, R]:
        """The same, for keys whose entity keys are at hand."""
        found = self._backend.read(self.view, list(entity_keys.values()))
        rows = zip(entity_keys, found, strict=True)
        return {key: self._row(key, values) if values else self._row_type() for key, values in rows}

    def _row(self, key: Key, values: Values) -> R:
        try:
            return self._row_type.from_values(values)
        except Exception as error:  # of whatever kind: these bytes are none that a row has
            raise StoreDamaged(
                f"the row of {key} in {self.view} is damaged ({type(error).__name__}): run adloom "
                "backfill, which makes the features anew from the event log"
            ) from error


class OpenRows(Generic[R]):
    """Rows of a table that their one writer keeps in memory: it need not read them again."""

    def __init__(self, table: OnlineTable[R], limit: int) -> None:
        """More than `limit` rows are kept only while one batch needs more."""
        self.table = table
        self._limit = limit
        self._rows: dict[Key, R] = {}
        self._entity_keys: dict[Key, bytes] = {}

    def open(self, keys: Iterable[Key]) -> dict[Key, R]:
        """The rows of all keys, read where they are not open yet. They may be changed."""
        wanted = dict.fromkeys(keys)
        known = self._rows
        missing = {key: self.table.entity_key(key) for key in wanted if key not in known}
        opened = {key: known.pop(key) for key in wanted if key in known}
        if missing:
            opened |= self.table.read_by(missing)
            self._entity_keys |= missing
        known |= opened  # at the end: the rows used least recently come first
        for key in list(known)[: max(0, len(known) - max(self._limit, len(opened)))]:
            del known[key], self._entity_keys[key]
        return opened

    def entity_key(self, key: Key) -> bytes:
        """Of a row that is open."""
        return self._entity_keys[key]

    def forget(self) -> None:
        """From now on all rows are read again."""
        self._rows.clear()
        self._entity_keys.clear()
