"""A row as a format reads it, before anybody asks what it means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TextIO

from adloom.loop.catalogue.feeds.columns import Fields

MAX_ROW_CHARS = 256 << 10


@dataclass(frozen=True)
class RawRow:
    """Values by attribute of one row, or the reason why there are none.

    Attributes:
        line: where the row begins, from 1.
        fields: values by attribute.
        reason: why the row could not be read; "" where it could.
        warnings: what is to be told beside it, one line each.
    """

    line: int
    fields: Fields = field(default_factory=dict)
    reason: str = ""
    warnings: tuple[str, ...] = ()


def no_text(section: str) -> str:
    """Why a row of an unknown encoding could not be read; ``section`` of the settings tells it."""
    return f"row: has bytes that are not text; set {section}.encoding if the file is not UTF-8"


def numbered_lines(text: TextIO) -> Iterator[tuple[int, str | None]]:
    """Physical lines with their numbers, from 1; None for one that is longer than a row may be."""
    number = 0
    while line := text.readline(MAX_ROW_CHARS + 1):
        number += 1
        if len(line) <= MAX_ROW_CHARS:
            yield number, line
            continue
        while line and not line.endswith(("\n", "\r")):
            line = text.readline(MAX_ROW_CHARS)
        yield number, None
