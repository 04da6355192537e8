"""The online store below the tables: rows of bytes, written all or none.

Layout and encoding are Feast's own, so `get_online_features` reads the same values. What Feast's
`online_write_batch` has not: one transaction over all views, which goes through only while the
rows that the writer believes in are still as it knows them. That makes a batch and the offsets
it brings one step, and keeps out a consumer that lost its partitions and does not know it yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

Row = Mapping[str, bytes]
"""Serialised Feast values by name of the feature; read, it is empty for a row that is not there."""

Rows = Mapping[str, Mapping[bytes, Row]]
"""Rows by name of the view and binary entity key."""


class StoreUnavailable(RuntimeError):
    """The online store does not answer, or is locked; trying again later may help."""


class FeaturesLost(RuntimeError):
    """Rows of the online store are gone, or older than those that were written."""


class ProgressMoved(RuntimeError):
    """The store is behind what this writer wrote: a snapshot, or a replica that took over.

    Nothing was written. Read `progress` again, and go on from there.
    """


class OnlineBackend(Protocol):
    """Safe to use from several threads. Every method but `close` raises StoreUnavailable."""

    def read(self, view: str, keys: Sequence[bytes]) -> list[Row]:
        """The rows of a view, in the order of the keys."""

    def write(self, rows: Rows, expected: Rows) -> bool:
        """Writes the values given, of rows that keep their others, in one step.

        They are on the disk when this returns. Writes nothing and returns False unless the rows
        in `expected` are still so.
        """

    def clear(self) -> None:
        """Deletes all rows of all views."""

    def close(self) -> None:
        """Lets the connections go."""
