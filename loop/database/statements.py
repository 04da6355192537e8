"""Statements that SQLite and Postgres both know, each in its own words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Engine, Table
from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")

_MOST_VARIABLES = 500  # of one statement; SQLite's own limit is far above


def upsert(table: Table, engine: Engine) -> Any:
    """An insert that takes the place of the row with its key."""
    statement = _insert(table, engine)
    keys = [column.name for column in table.primary_key]
    others = {c.name: statement.excluded[c.name] for c in table.columns if c.name not in keys}
    if not others:
        return statement.on_conflict_do_nothing(index_elements=keys)
    return statement.on_conflict_do_update(index_elements=keys, set_=others)


def insert_new(table: Table, engine: Engine) -> Any:
    """An insert that leaves a row with its key as it is."""
    return _insert(table, engine).on_conflict_do_nothing()


def parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many values at a time as a statement takes."""
    for start in range(0, len(values), _MOST_VARIABLES):
        yield values[start : start + _MOST_VARIABLES]


def _insert(table: Table, engine: Engine) -> Any:
    """An insert that may say what to do where the key is there already."""
    dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)
