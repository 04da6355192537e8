"""The online store below the tables: rows of bytes, written all or none.

Layout and encoding are Feast's own, so `get_online_features` reads the same values. What Feast's
`online_write_batch` has not: one transaction over all views, which goes through only while the
rows that the writer believes in are still as it knows them. That makes a batch and the offsets
it brings one step, and keeps out a consumer that lost its partitions and does not know it yet.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from adloom.feature_store.naming import Name

if TYPE_CHECKING:
    from adloom.feature_store.layout import Layout  # it loads Feast: what is away is told before

Row = Mapping[str, bytes]
"""Serialised Feast values by name of the feature; read, it is empty for a row that is not there."""

Rows = Mapping[str, Mapping[bytes, Row]]
"""Rows by name of the view and binary entity key."""

Known = Mapping[str, Mapping[bytes, Mapping[str, bytes | None]]]
"""What a writer knows of some values of rows, laid out as `Rows`; None = the row has none."""

Gone = Mapping[str, Collection[bytes]]
"""Entity keys of rows that go, by name of the view."""
NONE_GONE: Gone = {}


class StoreUnavailable(RuntimeError):
    """The online store does not answer, or is locked; trying again later may help."""


class StoreDamaged(StoreUnavailable):
    """What the online store holds cannot be read; the message says what brings it back."""


class LogDamaged(StoreUnavailable):
    """A file of the event log cannot be read; the message says which."""


class LogUnavailable(StoreUnavailable):
    """The event log's table does not answer, or others keep it busy."""


class StoreUnfit(ValueError):
    """The online store is set up so that it would lose features; the message says what to set."""


class FeaturesLost(RuntimeError):
    """Rows of the online store are gone, or older than those that were written."""


class ProgressMoved(RuntimeError):
    """The store is behind what this writer wrote: a snapshot, or a replica that took over.

    Nothing was written. Read `progress` again, and go on from there.
    """


class WrittenOver(Exception):
    """Others wrote while this writer did, in a store that compares nothing: rows may be theirs."""


class OnlineBackend(Protocol):
    """Safe to use from several threads. Every method but `close` raises StoreUnavailable.

    What is damaged is a StoreDamaged; `replace` takes its place all the same.

    Attributes:
        layout: of its rows. Those with marks need no step over many of them: `write` may then have
            written some where it raises, or finds others otherwise; progress comes last.
        deletes: whether rows can go by `write`.
    """

    layout: Layout
    deletes: bool

    def check(self) -> None:
        """Asks the store. Raises StoreUnfit."""

    def name(self) -> Name:
        """The same for all who write to it at a time."""

    def read(self, view: str, keys: Sequence[bytes]) -> list[Row]:
        """The rows of a view, in the order of the keys."""

    def write(
        self, rows: Rows, known: Known, cached: Callable[[], Known], gone: Gone = NONE_GONE
    ) -> Known:
        """Writes the values given, of rows that keep their others, in one step.

        They are on the disk when this returns. Nothing is written where what is `known`, or
        `cached`, is not so in the store.

        Args:
            cached: asked for where others may have written since it was read.
            gone: rows that are deleted in the same step.

        Returns what was found otherwise: nothing where the rows are written.
        """

    def rows(self, view: str) -> Iterator[tuple[bytes, Row]]:
        """All rows of a view by entity key, in no order that means something.

        None at all where the store cannot list them: the marks of its layout are "sealed".
        """

    def entities(self) -> int | None:
        """How many entities have rows, or more; None where counting them takes long."""

    def beside(self) -> OnlineBackend:
        """An empty store beside this one, to be closed, for rows that may take its place."""

    def replace(self, beside: Any, known: Known) -> bool:
        """Puts the rows of a store beside in the place of all rows here.

        Changes nothing and returns False unless what is `known` is so in the store.
        """

    def clear(self) -> None:
        """Deletes all rows of all views."""

    def scrub(self) -> None:
        """Of rows that are gone nothing stays in the files that adloom itself keeps them in."""

    def close(self) -> None:
        """Lets the connections go; a store beside is gone then."""


def differing(
    known: Mapping[bytes, Mapping[str, bytes | None]], found: Sequence[Row]
) -> dict[bytes, dict[str, bytes | None]]:
    """Of the rows found for the keys of `known`, in their order, those that are not so."""
    return {
        key: {name: row.get(name) for name in values}
        for (key, values), row in zip(known.items(), found, strict=True)
        if any(row.get(name) != value for name, value in values.items())
    }
