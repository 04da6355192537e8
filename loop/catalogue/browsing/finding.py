"""Products that are sold, by shelf and by words, a page at a time.

What a text holds is known of no index, so that a search looks at product after product. It looks
for a short while, tells what it found and where it is, and goes on from there when it is asked
again: a search through ten million products shows what it has on the way, and can be left.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, literal, select, true, tuple_

from adloom.loop.catalogue.browsing.shelves import BETWEEN, SOLD, up_to_end_of, within
from adloom.loop.catalogue.rows import Entry, from_row
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.database.tables import products

_AT_ONCE = 20_000
_SECONDS = 0.25


@dataclass(frozen=True)
class Found:
    """Some of what was looked for.

    Attributes:
        entries: in the order of their ids; of a shelf, in that of its shelves before.
        reached: id up to which was looked; "" where there is nothing.
        more: whether to go on after it.
    """

    entries: list[Entry]
    reached: str
    more: bool


def find(
    catalogue: Catalogue,
    *,
    search: str = "",
    shelf: str = "",
    after: str = "",
    limit: int = 60,
    at_once: int = _AT_ONCE,
    seconds: float = _SECONDS,
) -> Found:
    """Products whose id, name or category holds a text, from a shelf and those in it.

    The product whose id is the text comes first. A page may have fewer than ``limit`` and more may
    follow: a search ends where its time is over.

    Args:
        after: only what follows the product of this id.
        at_once: products that a search looks at between two looks at the clock.
        seconds: how long a search looks.
    """
    over = time.monotonic() + seconds
    rows: list[Row[Any]] = []
    with catalogue.engine.connect() as connection:
        named = [] if after or not search else _named(connection, search, shelf)

        def found(reached: str, *, more: bool) -> Found:
            kept = [*named, *rows[:limit]]
            return Found([from_row(row, catalogue.pictures) for row in kept], reached, more)

        for stretch in _stretches(connection, shelf, after):
            for some, reached in stretch.looked_through(connection, search, limit, at_once):
                rows += some
                if len(rows) > limit:
                    return found(rows[limit - 1].product_id, more=True)
                if reached is not None and time.monotonic() >= over:
                    return found(reached, more=True)
    return found(rows[-1].product_id if rows else after, more=False)


def _named(connection: Connection, product_id: str, shelf: str) -> list[Row[Any]]:
    query = select(products).where(SOLD, products.c.product_id == product_id)
    if shelf:
        query = query.where((products.c.category == shelf) | within(shelf))
    return list(connection.execute(query))


@dataclass(frozen=True)
class _Stretch:
    """Products that lie beside each other in an index, which is in the order of ``key``."""

    key: tuple[ColumnElement[str], ...]
    which: ColumnElement[bool]
    start: tuple[str, ...] | None = None  # they follow the one with this key

    def looked_through(
        self, connection: Connection, search: str, limit: int, at_once: int
    ) -> Iterator[tuple[list[Row[Any]], str | None]]:
        """What is found, part by part, and the id up to which that is; None at the end.

        Without a search everything is found.
        """
        start, matching = self.start, _matches(search)
        end: tuple[str, ...] | None = None
        while True:
            here = self.which & (true() if start is None else self._key > _values(start))
            if search:
                ends = select(*self.key).where(here).order_by(*self.key).offset(at_once - 1)
                last = connection.execute(ends.limit(1)).first()
                end = None if last is None else tuple(last)
            part = here & (true() if end is None else self._key <= _values(end)) & matching
            query = select(products).where(part).order_by(*self.key).limit(limit + 1)
            yield list(connection.execute(query)), None if end is None else end[-1]
            if end is None:
                return
            start = end

    @property
    def _key(self) -> ColumnElement[Any]:
        return self.key[0] if len(self.key) == 1 else tuple_(*self.key)


def _values(key: tuple[str, ...]) -> ColumnElement[Any]:
    values = [literal(value) for value in key]
    return values[0] if len(values) == 1 else tuple_(*values)


def _stretches(connection: Connection, shelf: str, after: str) -> Iterator[_Stretch]:
    """All that is looked at: the whole shop, or a shelf and then what lies in it."""
    path, product_id = products.c.category, products.c.product_id
    if not shelf:
        yield _Stretch((product_id,), SOLD, (after,) if after else None)
        return
    at = _shelf_of(connection, after) if after else None
    if at is None or at == shelf:
        yield _Stretch((product_id,), SOLD & (path == shelf), None if at is None else (after,))
    start = (shelf + BETWEEN, "") if at is None or at == shelf else (at, after)
    yield _Stretch((path, product_id), SOLD & up_to_end_of(shelf), start)


def _shelf_of(connection: Connection, product_id: str) -> str | None:
    """None where there is no such product: then all is looked at from the beginning."""
    query = select(products.c.category).where(products.c.product_id == product_id)
    found: str | None = connection.execute(query).scalar()
    return found


def _matches(search: str) -> ColumnElement[bool]:
    """The product whose id is the search itself was the first to be told."""
    if not search:
        return true()
    holds = products.c.searched.contains(search.lower(), autoescape=True)
    return holds & (products.c.product_id != search)
