"""The demo shop's products: names, categories, selling points and cutouts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from PIL import Image

from adloom.loop.catalogue.feeds.reading import read_feed
from adloom.loop.catalogue.feeds.refusals import FeedRow
from adloom.loop.catalogue.product import Product, UnknownProduct, index_text
from adloom.loop.settings.catalogue import CatalogSettings
from adloom.models.retrieval import Vector, product_vectors

_FOLDER = Path(__file__).parent
FEED = _FOLDER / "feed.jsonl"
"""The shop's feed: `adloom demo` imports it as any shop imports its own."""


class _Cutouts:
    """The pictures that ship with adloom, by product id."""

    def load(self, name: str) -> Image.Image:
        return _cutout(name).copy()


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
    """Read the demo shop's catalogue that ships with adloom.

    A product has 4 to 6 selling points of one or two lower-case words.
    """
    rows = (row for row in read_feed(FEED, CatalogSettings()) if isinstance(row, FeedRow))
    return Catalog(
        tuple(
            replace(row.product, cutout_name=row.product.product_id, pictures=_Cutouts())
            for row in rows
        )
    )


@cache
def catalog_vectors() -> dict[str, Vector]:
    """The vector of each product, by its id."""
    products = list(load_catalog().values())
    texts = [index_text(product.name, product.selling_points) for product in products]
    made = product_vectors(texts, [product.category for product in products])
    return dict(zip(load_catalog(), made, strict=True))


@cache
def _cutout(product_id: str) -> Image.Image:
    # Only ids that the catalogue knows become a path, whatever a Product claims to be.
    known = load_catalog()[product_id].product_id
    with Image.open(_FOLDER / "cutouts" / f"{known}.webp") as picture:
        rgba = picture.convert("RGBA")
    box = rgba.getchannel("A").getbbox()
    return rgba.crop(box) if box else rgba
