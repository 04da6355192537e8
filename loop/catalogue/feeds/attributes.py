"""The attributes of Google's product data specification that adloom reads, and their spellings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

_ATTRIBUTES = {
    "id": "the product's name in events, 1 to 128 characters",
    "title": "what the shop calls it, 1 to 300 characters",
    "short_title": "what titles call it where there is no room for the title",
    "description": "what the shop tells of it; selling points come from here where no "
    "product_highlight is given",
    "link": "its page: an http(s) address or a path",
    "image_link": "its picture: an http(s) address, or a path that lies beside the feed",
    "additional_image_link": "further pictures",
    "availability": "in_stock, out_of_stock, preorder or backorder; none = in_stock",
    "price": "amount and ISO 4217 currency, such as 19.99 EUR",
    "sale_price": "what it costs now, lower than the price, in the same form",
    "sale_price_effective_date": "when the sale price holds: two ISO 8601 moments with / between",
    "currency": "ISO 4217 currency of prices that tell none themselves",
    "brand": "who makes it",
    "product_type": "path of the shop's own shelves, such as Home > Kitchen",
    "google_product_category": "path of Google's shelves; used where there is no product_type",
    "product_highlight": "selling points of 2 to 60 characters, at most 10: a list, repeated, or "
    'one text with a line each, | or ; between them, or each in "quotes" with , between them',
    "content_language": "BCP 47 tag of its texts, such as de or pt-BR",
}
_OTHER_NAMES = {
    "language": "content_language",
    "additionalimagelinks": "additional_image_link",
    "producthighlights": "product_highlight",
    "producttypes": "product_type",
}
_SEPARATORS = re.compile(r"[\s_\-]+")


def spelled(name: str) -> str:
    """A name without what spellings differ in: case, blanks, underscores, hyphens, ``g:``."""
    return _SEPARATORS.sub("", name.strip().casefold().removeprefix("g:"))


@dataclass(frozen=True)
class Attributes:
    """What the rows of a kind of file can tell.

    Attributes:
        section: of the settings, which says how such a file is read.
        told: each attribute's name and what it tells, in one line.
        needed: attributes without which there is nothing to read.
        other_names: further spellings, each with its attribute.
    """

    section: str
    told: Mapping[str, str]
    needed: tuple[str, ...]
    other_names: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def _by_spelling(self) -> dict[str, str]:
        return {spelled(name): name for name in self.told} | dict(self.other_names)

    def named(self, name: str) -> str | None:
        """The attribute that a file means by ``name``; None where it is none that adloom reads."""
        return self._by_spelling.get(spelled(name))


PRODUCT = Attributes("catalog", _ATTRIBUTES, ("id", "title"), _OTHER_NAMES)


def product_attributes() -> dict[str, str]:
    """Each attribute's name and what it tells, in one line."""
    return dict(_ATTRIBUTES)
