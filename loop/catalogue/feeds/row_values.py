"""The values of a row by attribute: texts of one line, within their sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from adloom.loop.catalogue.feeds.refusals import RowRefused, shown
from adloom.loop.catalogue.feeds.texts import title_text

MAX_FIELD_CHARS = 10_000
MAX_ROW_BYTES = 256 << 10
_MAX_VALUES = 1000  # of one attribute

Warn = Callable[[str], None]
"""Told of each part of a row that is left out, in one line."""


class RowValues:
    """The values of a row, by attribute."""

    def __init__(
        self,
        fields: Mapping[str, object],
        max_chars: Mapping[str, int],
        warn: Warn = lambda warning: None,
    ) -> None:
        """``max_chars``: of texts of one line, by attribute."""
        self._fields = fields
        self._max_chars = max_chars
        self.warn = warn

    def values(self, attribute: str) -> list[object]:
        """What the row tells, without what is empty."""
        told = self._fields.get(attribute)
        values = told if isinstance(told, list | tuple) else [told]
        return [value for value in values if not _is_empty(value)]

    def is_list(self, attribute: str) -> bool:
        """Whether the row tells several values, or one in a list."""
        return isinstance(self._fields.get(attribute), list | tuple)

    def first(self, attribute: str) -> object:
        """None where the row tells nothing."""
        return next(iter(self.values(attribute)), None)

    def text(self, attribute: str) -> str:
        """As it is written; "" where the row tells nothing. Raises RowRefused."""
        return as_text(self.first(attribute), attribute)

    def needed(self, attribute: str) -> str:
        """A text of one line. Raises RowRefused where it is empty or too long."""
        text = title_text(self.text(attribute), attribute)
        if not text:
            raise RowRefused(f"{attribute}: is missing or empty")
        if len(text) > self._max_chars[attribute]:
            raise RowRefused(f"{attribute}: is longer than {self._max_chars[attribute]} characters")
        return text

    def name(self, attribute: str) -> str:
        """A text by which events call something. Raises RowRefused where it is none as written."""
        written, name = self.text(attribute).strip(), self.needed(attribute)
        if name != written:
            raise RowRefused(f"{attribute}: {shown(written)} has characters that no id can have")
        return name

    def optional(self, attribute: str) -> str:
        """A text of one line; "" with a warning where it is too long. Raises RowRefused."""
        text = title_text(self.text(attribute), attribute)
        if len(text) > self._max_chars[attribute]:
            self.warn(f"{attribute}: longer than {self._max_chars[attribute]} characters, left out")
            return ""
        return text


def _is_empty(value: object) -> bool:
    """Whether a cell tells nothing; NaN is how tables of numbers say so."""
    if isinstance(value, float | Decimal):
        return Decimal(value).is_nan()
    return value is None or value == ""


def as_text(value: object, attribute: str) -> str:
    """A value as it is written; "" for none. Raises RowRefused for what is no text or number."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():  # ids that a table kept as numbers
        return str(int(value))
    if isinstance(value, int | float | Decimal):
        return str(value)
    raise RowRefused(f"{attribute}: {shown(value)} is neither text nor number")


def refuse_large(fields: Mapping[str, object]) -> None:
    """Raises RowRefused where a row or a value of it is larger than any honest one."""
    total = 0
    for attribute, told in fields.items():
        values = told if isinstance(told, list | tuple) else [told]
        if len(values) > _MAX_VALUES:
            raise RowRefused(f"{attribute}: has more than {_MAX_VALUES} values")
        sizes = [len(value) for value in values if isinstance(value, str)]
        if any(size > MAX_FIELD_CHARS for size in sizes):
            raise RowRefused(f"{attribute}: is longer than {MAX_FIELD_CHARS:,} characters")
        total += sum(sizes)
    if total > MAX_ROW_BYTES:
        raise RowRefused(f"row: is larger than {MAX_ROW_BYTES >> 10} KiB")
