"""What a feed can be refused for: a row alone, or all of it."""

from __future__ import annotations

from dataclasses import dataclass

from adloom.loop.catalogue.product import Product

_SHOWN_CHARS = 40


class RowRefused(ValueError):
    """A row is no product; the message is one line and names the attribute."""


class FeedUnreadable(ValueError):
    """A feed cannot be read, or not further; the message is one line and says what to do."""


@dataclass(frozen=True)
class FeedRow:
    """A row that is a product.

    Attributes:
        source: name of the file.
        line: where the row begins, from 1: line of a text file, row of a Parquet file.
        product: what the row tells.
        warnings: what of the row was left out, one line each.
    """

    source: str
    line: int
    product: Product
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """A row that is no product.

    Attributes:
        source: name of the file.
        line: where the row begins, from 1: line of a text file, row of a Parquet file.
        reason: one line that names the attribute.
        product_id: the id that the row gives; "" where it gives none.
    """

    source: str
    line: int
    reason: str
    product_id: str = ""

    def __str__(self) -> str:
        who = f" ({self.product_id})" if self.product_id else ""
        return f"{self.source}:{self.line}{who}: {self.reason}"


def shown(value: object) -> str:
    """A value as a reason quotes it: one line, printable, at most 40 characters."""
    if isinstance(value, str):  # of a long one no more than is shown
        value = value[:_SHOWN_CHARS]
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of more than 4300 digits
        text = f"a {type(value).__name__} of many digits"
    text = text if text.isprintable() else ascii(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 3]}..."
