"""Rows of SQLite files, of this release or an earlier one, as the database has them now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Boolean, Table

from adloom.loop.catalogue.creatives.store import SHOP
from adloom.loop.catalogue.rows import searched
from adloom.loop.database.tables import creatives, products, titles_read, vectors
from adloom.loop.database.types import Moment

Row = dict[str, Any]
_LATER = {"background": "", "stamp": "", "codebook": None, "state": "approved"}
"""Columns of creatives that earlier releases did not have."""


class OldRows:
    """Turns them, one table after the other, each in the order of its keys."""

    def __init__(self, revision: int | None, last_number: int) -> None:
        """``revision`` takes the place of theirs; None: they keep it.

        The shop's own ads are numbered on from ``last_number``.
        """
        self._revision = revision
        self._first = last_number
        self.last_number = last_number

    def of(self, table: Table) -> Callable[[Row], Row]:
        """What makes today's row of a table."""
        special = {products: self._product, creatives: self._creative, titles_read: self._read}
        make = special.get(table, self._revised if table is vectors else _as_it_is)
        return lambda row: _typed(table, make(row))

    def _revised(self, row: Row) -> Row:
        return row if self._revision is None else row | {"revision": self._revision}

    def _product(self, row: Row) -> Row:
        found = searched(row["product_id"], row["name"], row["category"])
        return self._revised(row | {"searched": found})

    def _creative(self, row: Row) -> Row:
        number = None
        if row["variant"] == SHOP:
            # The first releases numbered none: then they are in the order of their ids.
            known = row.get("number")
            number = self.last_number + 1 if known is None else self._first + known
            self.last_number = max(self.last_number, number)
        return _LATER | row | {"number": number}

    def _read(self, row: Row) -> Row:
        return row | {"number": row["number"] + self._first}


def _as_it_is(row: Row) -> Row:
    return row


def _typed(table: Table, row: Row) -> Row:
    """SQLite knows neither truth nor time."""
    for column in table.columns:
        value = row[column.name]
        if isinstance(column.type, Boolean):
            row[column.name] = bool(value)
        elif isinstance(column.type, Moment):
            moment = datetime.fromisoformat(value)
            row[column.name] = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return row
