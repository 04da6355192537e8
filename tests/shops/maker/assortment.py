"""What the shop sells: products.toml, read."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).with_name("products.toml")


@dataclass(frozen=True)
class Article:
    """A product as the shop writes it down.

    Attributes:
        price, sale: as the shop spells them, such as ``1.299,00 EUR``; "" where there is no sale.
        picture: name of its file; `shelf` is the path of shelves it lies on.
        points: selling points; none where the description says it all.
    """

    id: str
    name: str
    text: str
    shelf: str
    price: str
    picture: str
    brand: str
    points: tuple[str, ...]
    short: str = ""
    sale: str = ""
    availability: str = "in stock"
    language: str = "de"

    @property
    def link(self) -> str:
        return f"https://haushalt-lindner.example/p/{self.id}"

    @property
    def called(self) -> str:
        """What the shop's ads call it."""
        return self.short or re.split(r",| \(|\uff08", self.name)[0]


def articles() -> list[Article]:
    """All products, in the order of the feed."""
    rows = tomllib.loads(_FILE.read_text(encoding="utf-8"))["product"]
    return [Article(**{**row, "points": tuple(row["points"])}) for row in rows]
