"""Rows of JSON lines: one row, one object, one line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import TextIO

from pydantic_core import from_json

from adloom.loop.catalogue.feeds.columns import Columns, Fields, gathered
from adloom.loop.catalogue.feeds.refusals import FeedUnreadable
from adloom.loop.catalogue.feeds.rows import MAX_ROW_CHARS, RawRow, no_text, numbered_lines

_LOOKED_AT = 100  # rows in which names told by the settings must be found
_UNREADABLE = re.compile("[\ud800-\udfff\ufffd]")
_ONE_DOCUMENT = re.compile(r'\s*(?:\[|\{\s*(?:"[^"\\]*"\s*:\s*\[\s*(?:\{|$)|$))')


def json_rows(text: TextIO, columns: Columns) -> Iterator[RawRow]:
    """Rows of a JSON-lines file. Names told by the settings may be paths, such as names.de.

    Raises FeedUnreadable.
    """
    objects = _objects(text, columns.attributes.section)
    begin = list(islice(objects, _LOOKED_AT))
    warnings = _absent([row for _, row in begin if not isinstance(row, str)], columns)
    for line, row in chain(begin, objects):
        if isinstance(row, str):
            yield RawRow(line, reason=row)
        else:
            yield RawRow(line, fields_of(row, columns), warnings=warnings)
            warnings = ()


def fields_of(row: Mapping[str, object], columns: Columns) -> Fields:
    """Values by attribute of one object."""
    usual = ((columns.usual(name), value) for name, value in row.items())
    told = ((attribute, _at(row, path)) for attribute, path in columns.told.items())
    return gathered((attribute, value) for attribute, value in chain(told, usual) if attribute)


def _objects(text: TextIO, section: str) -> Iterator[tuple[int, dict[str, object] | str]]:
    first = True
    for number, line in numbered_lines(text):
        if line is not None and not line.strip():
            continue
        if first and _ONE_DOCUMENT.match((line or "")[:1000].rstrip()):
            raise FeedUnreadable(
                "is one JSON document; write each row as an object on a line of its own "
                "(jq -c '.[]' does so)"
            )
        first = False
        yield number, _parsed(line, section)


def _parsed(line: str | None, section: str) -> dict[str, object] | str:
    if line is None:
        return f"row: is larger than {MAX_ROW_CHARS >> 10} KiB"
    if _UNREADABLE.search(line):
        return no_text(section)
    try:
        row = from_json(line, allow_inf_nan=False)
    except ValueError as error:
        return f"row: is not JSON: {error}"
    return row if isinstance(row, dict) else "row: is no JSON object"


def _at(row: object, path: str) -> object:
    """What lies under a path of names and, in lists, of numbers; None where nothing does."""
    if isinstance(row, dict) and path in row:
        return row[path]
    for step in path.split("."):
        if isinstance(row, dict):
            row = row.get(step)
        elif isinstance(row, list) and step.isascii() and step.isdigit():
            row = row[int(step)] if len(step) < 6 and int(step) < len(row) else None
        else:
            return None
    return row


def _absent(rows: list[dict[str, object]], columns: Columns) -> tuple[str, ...]:
    """Warnings of told names that no row has. Raises FeedUnreadable."""
    if not rows:
        return ()
    found = {
        attribute
        for attribute, path in columns.told.items()
        if any(_at(row, path) is not None for row in rows)
    }
    return columns.absent(found, (name for row in rows for name in _paths(row)))


def _paths(row: Mapping[str, object]) -> Iterator[str]:
    for name, value in row.items():
        yield name
        if isinstance(value, dict):
            yield from (f"{name}.{inner}" for inner in value)
