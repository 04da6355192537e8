"""An online store in memory: for features of a few users, folded from the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Self

from adloom.feature_store.backend import NONE_GONE, Gone, Known, Row, Rows
from adloom.feature_store.layout import Layout
from adloom.feature_store.naming import Name


class MemoryBackend:
    """Rows of bytes in dicts. Its one writer is its one reader."""

    deletes = True

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._rows: dict[str, dict[bytes, dict[str, bytes]]] = {}

    def check(self) -> None:
        """Nothing can be wrong with it."""

    def name(self) -> Name:
        return Name(f"memory {id(self)}", "memory")

    def read(self, view: str, keys: Sequence[bytes]) -> list[Row]:
        rows = self._rows.get(view, {})
        return [dict(rows.get(key, {})) for key in keys]

    def write(
        self, rows: Rows, known: Known, cached: Callable[[], Known], gone: Gone = NONE_GONE
    ) -> Known:
        for view, changed in rows.items():
            kept = self._rows.setdefault(view, {})
            for key, row in changed.items():
                kept.setdefault(key, {}).update(row)
        for view, keys in gone.items():
            for key in keys:
                self._rows.get(view, {}).pop(key, None)
        return {}

    def rows(self, view: str) -> Iterator[tuple[bytes, Row]]:
        yield from self._rows.get(view, {}).items()

    def entities(self) -> int | None:
        return None

    def beside(self) -> Self:
        return type(self)(self.layout)

    def replace(self, beside: Self, known: Known) -> bool:
        self._rows = beside._rows
        return True

    def clear(self) -> None:
        self._rows.clear()

    def scrub(self) -> None:
        """It has no files."""

    def close(self) -> None:
        self.clear()
