"""Ids from a file: CSV, JSON lines or Parquet, plain or in gzip; ids may be numbers there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from adloom.loop.replay.errors import ClickLogUnavailable
from adloom.loop.replay.rounded_ids import refuse_rounded_ids
from adloom.loop.replay.rows import format_of, read_rows
from adloom.stream.events import InvalidEvent
from adloom.stream.own_events import NoId, id_text

_MOST_CHARACTERS = 128
_TOLD = 3


class UnfitInput(ValueError):
    """A file, or what it names, will not do; the message says why and what to do."""


def read_ids(file: Path, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The ids in these columns, row by row; memory does not grow with the file.

    Raises UnfitInput: the file cannot be read, lacks a column, or has rows without such an id; of
    these it tells at the end, how many they are and why the first.
    """
    bad, why = 0, list[str]()
    try:
        untyped = columns if format_of(file) == "csv" else ()
        for number, row in enumerate(read_rows(file)):
            if number == 0 and row.problem is None:
                _refuse_missing(file, columns, row.fields)
            try:
                if row.problem is not None:
                    raise NoId(row.problem)
                refuse_rounded_ids(row.fields, untyped)
                ids = tuple(_id(row.fields, column) for column in columns)
            except (NoId, InvalidEvent) as error:
                bad += 1
                if len(why) < _TOLD:
                    told = error.detail if isinstance(error, InvalidEvent) else str(error)
                    why.append(f"line {row.line}: {told}")
                continue
            yield ids
    except ClickLogUnavailable as error:
        told = (
            str(error) if error.__cause__ is None else f"{file} cannot be read: {error.__cause__}"
        )
        raise UnfitInput(told) from error
    if bad:
        more = "; ..." if bad > len(why) else ""
        raise UnfitInput(
            f"{file}: {bad:,} {'row is' if bad == 1 else 'rows are'} not what is wanted "
            f"({'; '.join(why)}{more}): mend them, or leave them out"
        )


def _refuse_missing(file: Path, columns: Sequence[str], fields: Mapping[str, Any]) -> None:
    missing = [column for column in columns if column not in fields]
    if missing:
        there = ", ".join(list(fields)[:10]) or "none"
        raise UnfitInput(
            f"{file}: no column {' and no column '.join(missing)} (its columns: {there}): "
            "call the column so"
        )


def _id(fields: Mapping[str, Any], column: str) -> str:
    """Raises NoId."""
    value = fields.get(column)
    if value is None or value == "":
        raise NoId(f"{column} is empty")
    try:
        text = id_text(value)
    except NoId as error:
        raise NoId(f"{column}: {error}") from None
    if not isinstance(text, str):
        raise NoId(f"{column} is {type(value).__name__}, no text and no whole number")
    if len(text) > _MOST_CHARACTERS:
        raise NoId(f"{column} has more than {_MOST_CHARACTERS} characters")
    if "\0" in text:
        raise NoId(f"{column} has the character NUL")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NoId(f"{column} is no text in UTF-8") from None
    return text
