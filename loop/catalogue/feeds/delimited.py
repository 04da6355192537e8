"""Rows of CSV and of texts separated by tabs, semicolons or bars."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from typing import TextIO

from adloom.loop.catalogue.feeds.columns import Columns, gathered
from adloom.loop.catalogue.feeds.refusals import FeedUnreadable
from adloom.loop.catalogue.feeds.rows import MAX_ROW_CHARS, RawRow, no_text, numbered_lines

_SEPARATORS = ",;\t|"
_MAX_UNCLOSED = 100
_UNREADABLE = re.compile("[\ud800-\udfff\ufffd]")


class _TooLong(Exception):
    """A row goes on for longer than a row may."""


def delimited_rows(text: TextIO, columns: Columns, separator: str | None) -> Iterator[RawRow]:
    """Rows under a header; ``separator`` None is found in the header.

    A row may go over several lines inside quotes. One that cannot be read costs its first line
    alone. Raises FeedUnreadable.
    """
    lines = _RecordLines(numbered_lines(text))
    separator = separator or _separator(lines.peek(), columns)
    records = _records(lines, separator, columns.attributes.section)
    for _, names in records:
        if isinstance(names, str):
            raise FeedUnreadable(f"the header cannot be read: {names}")
        header = [name.strip() for name in names]
        break
    else:
        return
    places = columns.of_header(header)
    for line, values in records:
        if isinstance(values, str):
            yield RawRow(line, reason=values)
            continue
        while len(values) > len(header) and not values[-1]:
            values.pop()
        if len(values) != len(header):
            reason = f"row: has {len(values)} fields, the header has {len(header)}"
            yield RawRow(line, reason=reason)
            continue
        yield RawRow(line, gathered((attribute, values[place]) for place, attribute in places))


def _separator(header: str, columns: Columns) -> str:
    """The one that leaves most names known, then most names."""

    def known(separator: str) -> tuple[int, int]:
        names = [name.strip() for name in next(csv.reader([header], delimiter=separator), [])]
        told = set(columns.told.values())
        return sum(name in told or bool(columns.usual(name)) for name in names), len(names)

    return max(_SEPARATORS, key=known)


def _records(
    lines: _RecordLines, separator: str, section: str
) -> Iterator[tuple[int, list[str] | str]]:
    """Line and fields of each record, or the reason why it has none."""
    unclosed = 0
    while True:
        # Strict: a quote that is never closed is an error, and takes no good rows with it.
        reader = csv.reader(lines, delimiter=separator, strict=True)
        try:
            while True:
                lines.begin()
                fields = next(reader)
                if not any(fields):
                    continue
                if _UNREADABLE.search(separator.join(fields)):
                    yield lines.first, no_text(section)
                else:
                    yield lines.first, fields
        except StopIteration:
            return
        except (csv.Error, _TooLong) as error:
            first, plain = lines.first, lines.give_back()
            if separator == "\t" and plain is not None:  # tabs need no quotes
                yield first, plain.rstrip("\r\n").split("\t")
            elif isinstance(error, _TooLong):
                unclosed += 1
                yield first, f"row: is larger than {MAX_ROW_CHARS >> 10} KiB, or a quote is open"
            else:
                yield first, f"row: cannot be read: {error}"
            if unclosed > _MAX_UNCLOSED:
                raise FeedUnreadable(f"more than {_MAX_UNCLOSED} rows never end") from None


class _RecordLines:
    """Lines for a csv.reader, no more for a record than one may have."""

    def __init__(self, lines: Iterator[tuple[int, str | None]]) -> None:
        self._lines = lines
        self._again: deque[tuple[int, str | None]] = deque()
        self._taken: list[tuple[int, str | None]] = []
        self._chars = 0

    def peek(self) -> str:
        """The first line that is not blank; "" where there is none."""
        for number, line in self._lines:
            if line is None or line.strip():
                self._again.append((number, line))
                return line or ""
        return ""

    @property
    def first(self) -> int:
        """Number of the line where the record began."""
        return self._taken[0][0] if self._taken else 0

    def begin(self) -> None:
        """A record begins with the next line."""
        self._taken.clear()
        self._chars = 0

    def give_back(self) -> str | None:
        """Lines after the record's first are read again; the first is returned."""
        self._again.extendleft(reversed(self._taken[1:]))
        return self._taken[0][1] if self._taken else None

    def __iter__(self) -> _RecordLines:
        return self

    def __next__(self) -> str:
        number, line = self._again.popleft() if self._again else next(self._lines)
        self._taken.append((number, line))
        self._chars += len(line or "")
        if line is None or self._chars > MAX_ROW_CHARS:
            raise _TooLong
        return line
