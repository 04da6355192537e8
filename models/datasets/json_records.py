"""Records of a JSON file one at a time: one list of them, or one of them a line.

A list of a million records is cut into records by the standard decoder itself, on a window of the
text: as fast as a whole document is read, with the memory of a few records. (`ijson` builds values
as fast, but its paths make a list of many brackets take minutes.)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

_WINDOW = 2**20  # characters
_LONGEST = 2**24  # of one record: a list that is damaged is not read to its end for the rest of it
_BOM = b"\xef\xbb\xbf"


class DamagedJson(ValueError):
    """A list that is no JSON from some record on; the message names file and record."""


class BadLine(ValueError):
    """One line that is no JSON; those after it can be read."""


def json_records(file: Path) -> Iterator[Any]:
    """Every record in order, as JSON has it; a line that is no JSON comes as `BadLine`.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedJson: the file is one list, and it is damaged or cut off.
    """
    return _of_list(file) if _is_list(file) else _of_lines(file)


def _is_list(file: Path) -> bool:
    with file.open("rb") as opened:
        while part := opened.read(_WINDOW):  # the whole list may be one line
            if text := part.removeprefix(_BOM).lstrip():
                return text.startswith(b"[")
    return False


def _of_lines(file: Path) -> Iterator[Any]:
    with file.open("rb") as opened:
        for line in opened:
            if text := line.removeprefix(_BOM).strip():
                yield _parsed(text)


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        return BadLine(f"no JSON: {error}")


def _of_list(file: Path) -> Iterator[Any]:
    number = 0
    try:
        with file.open(encoding="utf-8-sig") as opened:
            window = _Window(opened)
            mark = window.taken("[")
            if window.peek() == "]":
                mark = window.taken("]")
            while mark != "]":
                value = window.value()
                number += 1
                yield value
                mark = window.taken(",]")
            if window.peek():
                raise ValueError("there is something after its end")
    except (ValueError, RecursionError) as error:
        raise DamagedJson(
            f"{file}: the list is damaged after record {number} ({error}); mend it, or write it "
            "as one record a line, of which only those that are damaged are left out"
        ) from error


class _Window:
    """A part of a text, from where it is read on."""

    def __init__(self, opened: TextIO) -> None:
        self._opened = opened
        self._text, self._at = "", 0
        self._decode = json.JSONDecoder().raw_decode

    def peek(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            while self._at < len(self._text):
                if not self._text[self._at].isspace():
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def taken(self, marks: str) -> str:
        """Goes past one of ``marks``, which must come next."""
        found = self.peek()
        if not found or found not in marks:
            raise ValueError(f"{found or 'the end'!r} where one of {marks!r} was to come")
        self._at += 1
        return found

    def value(self) -> Any:
        """Goes past the value that comes next."""
        self.peek()
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._more():
                    raise ValueError(error.msg) from error
                continue
            if end < len(self._text) or not self._more():  # a number could go on
                self._at = end
                return value

    def _more(self) -> bool:
        """Reads on, and forgets what is behind; False at the end."""
        rest = self._text[self._at :]
        if len(rest) > _LONGEST:
            raise ValueError(f"no end of it within {_LONGEST:,} characters")
        new = self._opened.read(max(_WINDOW, len(rest)))
        self._text, self._at = rest + new, 0
        return bool(new)
