"""Rows of one feature view, by key: many in one read, and open in memory while they are in use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic, Protocol, Self, TypeVar

from feast.protos.feast.types.Value_pb2 import Value

from adloom.feature_store import wire
from adloom.feature_store.backend import OnlineBackend, StoreDamaged
from adloom.feature_store.entity_key import Key, entity_key_of
from adloom.feature_store.marks import RowMarks
from adloom.feature_store.rows import Values

_MARK = "applied"


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

    def __init__(self, backend: OnlineBackend, name: str, row_type: type[R]) -> None:
        """The view is one of adloom's names."""
        view = backend.layout.views[name]
        self.view = name
        self.entity_key = entity_key_of(view)
        self.marked = _MARK in view.columns
        self._sealed = backend.layout.marks == "sealed"
        self._backend = backend
        self._row_type = row_type

    def read(self, keys: Iterable[Key]) -> dict[Key, R]:
        """The rows of all keys; an empty row for a key that has none."""
        return self.read_by({key: self.entity_key(key) for key in keys})

    def read_by(self, entity_keys: Mapping[Key, bytes]) -> dict[Key, R]:
        """The same, for keys whose entity keys are at hand."""
        found = self._backend.read(self.view, list(entity_keys.values()))
        rows = zip(entity_keys, found, strict=True)
        return {key: self._row(key, values) if values else self._new() for key, values in rows}

    def changes(self, row: R) -> dict[str, bytes]:
        """The values that the store does not have yet, its marks among them."""
        if self._sealed and self.marked:
            return self.whole(row)  # some stores forget what is not written again
        return self._with_marks(row, row.changes()) if self.marked else row.changes()

    def whole(self, row: R) -> dict[str, bytes]:
        """All its values."""
        return self._with_marks(row, row.to_values()) if self.marked else row.to_values()

    def stored_marks(self, row: R) -> dict[str, bytes | None]:
        """What the store has of its marks; nothing where rows have none."""
        return {_MARK: row.marks.stored} if self.marked else {}  # type: ignore[attr-defined]

    def note_stored(self, row: R) -> None:
        """The store has all of it now."""
        if self.marked:
            row.marks.stored = self._mark(row)  # type: ignore[attr-defined]

    def _with_marks(self, row: R, values: dict[str, bytes]) -> dict[str, bytes]:
        return {**values, _MARK: self._mark(row)}

    def _mark(self, row: R) -> bytes:
        marks: RowMarks = row.marks  # type: ignore[attr-defined]
        return wire.bytes_value(marks.encode(row.to_values() if self._sealed else None))

    def _new(self) -> R:
        row = self._row_type()
        if self.marked:
            row.marks = RowMarks()  # type: ignore[attr-defined]
        return row

    def _row(self, key: Key, values: Values) -> R:
        try:
            return (
                self._read_row(dict(values)) if self.marked else self._row_type.from_values(values)
            )
        except Exception as error:  # of whatever kind: these bytes are none that a row has
            raise StoreDamaged(
                f"the row of {key} in {self.view} is damaged ({type(error).__name__}): run adloom "
                "backfill, which makes the features anew from the event log"
            ) from error

    def _read_row(self, values: dict[str, bytes]) -> R:
        stored = values.pop(_MARK, None)
        row: Any = self._row_type.from_values(values)
        if stored is None:  # written by a store whose batches are one step, or cut off within a row
            row.marks = RowMarks(broken=self._sealed)
        else:
            content = Value.FromString(stored).bytes_val
            row.marks = RowMarks.decode(content, values if self._sealed else None)
            row.marks.stored = stored
        row.torn = row.torn or row.marks.broken
        return row


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
