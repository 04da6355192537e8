"""The demo shop's products: names, categories, selling points and cutouts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

_FOLDER = Path(__file__).parent


class UnknownProduct(KeyError):
    """Raised when a product id is not in the catalogue."""

    def __init__(self, product_id: str) -> None:
        super().__init__(product_id)
        self.product_id = product_id

    def __str__(self) -> str:
        return (
            f"unknown product {self.product_id!r}: the demo shop does not sell it "
            "(the known ids are in loop/shop/catalog.json)"
        )


@dataclass(frozen=True)
class Product:
    """One thing the shop sells.

    `selling_points` holds 4 to 6 phrases of one or two lower-case words.
    """

    product_id: str
    name: str
    category: str
    selling_points: tuple[str, ...]

    def cutout(self) -> Image.Image:
        """Picture of the product alone: RGBA, at most 256 px a side, cropped to its content."""
        return _cutout(self.product_id).copy()


class Catalog(Mapping[str, Product]):
    """The shop's products by id, in the order of the catalogue file."""

    def __init__(self, products: tuple[Product, ...]) -> None:
        self._products = {product.product_id: product for product in products}

    def __getitem__(self, product_id: str) -> Product:
        """Look a product up; raises `UnknownProduct`, which is a `KeyError`."""
        try:
            return self._products[product_id]
        except KeyError:
            raise UnknownProduct(product_id) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._products)

    def __len__(self) -> int:
        return len(self._products)

    @property
    def categories(self) -> tuple[str, ...]:
        """Every category once, in catalogue order."""
        return tuple(dict.fromkeys(product.category for product in self.values()))


@cache
def load_catalog() -> Catalog:
    """Read the demo shop's catalogue that ships with adloom."""
    records = json.loads((_FOLDER / "catalog.json").read_text(encoding="utf-8"))
    return Catalog(
        tuple(
            Product(
                product_id=record["product_id"],
                name=record["name"],
                category=record["category"],
                selling_points=tuple(record["selling_points"]),
            )
            for record in records
        )
    )


@cache
def _cutout(product_id: str) -> Image.Image:
    # Only ids that the catalogue knows become a path, whatever a Product claims to be.
    known = load_catalog()[product_id].product_id
    with Image.open(_FOLDER / "cutouts" / f"{known}.webp") as picture:
        rgba = picture.convert("RGBA")
    box = rgba.getchannel("A").getbbox()
    return rgba.crop(box) if box else rgba
