"""The tree of shelves, a level at a time, out of the products' own category paths.

The paths lie in an index in the order of their bytes. From one shelf the next is found by jumping
over all that lies in it: a level costs as many looks into the index as it has shelves, whether they
hold a thousand products or ten million.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Engine, false, select, true

from adloom.loop.database.tables import products

BETWEEN = " > "
_AFTER_ALL = " >!"  # the first text after all that begin with a shelf and the mark

SOLD: ColumnElement[bool] = products.c.retired == false()
"""What is sold; said so that the index of shelves is used."""


@dataclass(frozen=True)
class Shelf:
    """A shelf; ``opens`` tells whether shelves lie in it."""

    path: str
    opens: bool

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition(BETWEEN)[2]


def within(shelf: str) -> ColumnElement[bool]:
    """What lies in the shelves of a shelf, not on the shelf itself."""
    return (products.c.category >= shelf + BETWEEN) & up_to_end_of(shelf)


def up_to_end_of(shelf: str) -> ColumnElement[bool]:
    """What comes before all that follows a shelf.

    For who knows where to begin: of two beginnings SQLite may take the one that is further back.
    """
    return products.c.category < shelf + _AFTER_ALL


def shelves(engine: Engine, *, under: str = "", after: str = "", limit: int = 100) -> list[Shelf]:
    """Shelves that lie directly under one, where anything on them is sold.

    Args:
        under: path of the shelf; "" is the shop.
        after: only those that follow the shelf of this path, which lies under ``under`` too.
        limit: the most that are told.
    """
    found: list[Shelf] = []
    with engine.connect() as connection:
        for path in _paths(connection, under, after):
            found.append(Shelf(path, opens=_first(connection, within(path)) is not None))
            if len(found) == limit:
                break
    return found


def _paths(connection: Connection, under: str, after: str) -> Iterator[str]:
    """Paths one below ``under``, in the order in which the index comes upon them.

    Marks such as & come before >: "Home", "Home & Garden", "Home > Kitchen" is their order, and
    a shelf may be come upon twice.
    """
    path = products.c.category
    begin = under + BETWEEN if under else ""
    level = up_to_end_of(under) if under else true()
    told: set[str] = set()
    beyond, reached = path > begin, begin
    if after:
        on_it = _is_there(connection, after)
        beyond, reached = (path > after, after) if on_it else (_past(after), after + BETWEEN)
    while (category := _first(connection, level & beyond)) is not None:
        shelf = begin + category[len(begin) :].partition(BETWEEN)[0]
        before = bool(after) and shelf <= reached and _is_there(connection, shelf)
        if shelf not in told and not before:
            told.add(shelf)
            yield shelf
        beyond = path > category if category == shelf else _past(shelf)


def _past(shelf: str) -> ColumnElement[bool]:
    """What comes after all that lies in a shelf."""
    return products.c.category >= shelf + _AFTER_ALL


def _is_there(connection: Connection, shelf: str) -> bool:
    """Whether anything is on the shelf itself, which comes before all that lies in it."""
    return _first(connection, products.c.category == shelf) is not None


def _first(connection: Connection, which: ColumnElement[bool]) -> str | None:
    path = products.c.category
    query = select(path).where(SOLD, which).order_by(path).limit(1)
    found: str | None = connection.execute(query).scalar()
    return found
