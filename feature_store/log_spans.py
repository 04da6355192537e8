"""When the events of each file of the log happened, so that a window opens no file beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from adloom.feature_store.log_rows import footer
from adloom.feature_store.logged import SCHEMA

_TS = SCHEMA.get_field_index("ts")


class Span(NamedTuple):
    """The first and the last moment of a file's events, aware, and how many there are."""

    first: datetime
    last: datetime
    rows: int


class Spans:
    """Files never change: each is asked once."""

    def __init__(self) -> None:
        self._known: dict[str, Span | None] = {}

    def of(self, files: Sequence[Path]) -> list[Span | None]:
        """None for a file that does not tell, and for one without events. Raises LogDamaged."""
        self._known = {
            path.name: self._known[path.name] if path.name in self._known else _span(footer(path))
            for path in files
        }
        return list(self._known.values())

    def between(
        self, files: Sequence[Path], since: datetime | None, until: datetime | None
    ) -> list[Path]:
        """The files that may have events with since <= ts < until, in their order."""
        return [
            path
            for path, span in zip(files, self.of(files), strict=True)
            if span is None
            or ((until is None or span.first < until) and (since is None or span.last >= since))
        ]


def _span(told: pq.FileMetaData) -> Span | None:
    columns = [told.row_group(n).column(_TS) for n in range(told.num_row_groups)]
    known = [column.statistics for column in columns]
    if not known or not all(each is not None and each.has_min_max for each in known):
        return None
    return Span(min(each.min for each in known), max(each.max for each in known), told.num_rows)
