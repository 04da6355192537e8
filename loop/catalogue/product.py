"""A product: what a shop tells of something that it sells, and where its pictures are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Literal, Protocol, get_args

from PIL import Image

from adloom.models.placement import Placement

Availability = Literal["in_stock", "out_of_stock", "preorder", "backorder"]
AVAILABILITIES: tuple[Availability, ...] = get_args(Availability)


class UnknownProduct(KeyError):
    """The catalogue has no product of that id."""

    def __init__(self, product_id: str) -> None:
        super().__init__(product_id)
        self.product_id = product_id

    def __str__(self) -> str:
        return (
            f"unknown product {self.product_id!r}: the catalogue does not have it "
            "(adloom catalog list shows what it has)"
        )


class NoCutout(LookupError):
    """The product has no picture of itself alone."""


@dataclass(frozen=True)
class Price:
    """An amount and its ISO 4217 currency."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


class Pictures(Protocol):
    """Where pictures lie by name; for several threads at once."""

    def load(self, name: str) -> Image.Image:
        """The picture, RGB or RGBA; a copy that the caller may change."""


@dataclass(frozen=True)
class OnePicture:
    """The picture of a product that came with it."""

    picture: Image.Image

    def load(self, name: str) -> Image.Image:
        """It, whatever the name."""
        return self.picture.copy()


@dataclass(frozen=True)
class Product:
    """Something that is sold.

    Attributes:
        product_id: its name in events.
        name: what titles call it, in the spelling of the shop.
        category: path of the shop's own shelves, such as ``Home > Kitchen``.
        selling_points: phrases a title may claim, each of a few words.
        language: BCP 47 tag of name and phrases, such as ``de`` or ``pt-BR``.
        short_name: what titles call it where there is no room for the name; "" where there is none.
        price, sale_price: a title may speak of a saving only where there is a sale price.
        link: its page.
        image: link or path of its picture, as the shop tells it.
        picture_name: name of its whole picture in ``pictures``; "" where there is none.
        cutout_name: name of the picture of it alone, on nothing; "" where there is none.
        placement: where its cutout lies on its ads; None stands it on the ground, in the middle.
        updated: when the catalogue last changed it, aware, UTC.
        retired: it is read in histories and sold no more.
    """

    product_id: str
    name: str
    category: str = ""
    selling_points: tuple[str, ...] = ()
    language: str = "en"
    short_name: str = ""
    description: str = ""
    price: Price | None = None
    sale_price: Price | None = None
    availability: Availability = "in_stock"
    link: str = ""
    brand: str = ""
    image: str = ""
    picture_name: str = ""
    cutout_name: str = ""
    placement: Placement | None = None
    updated: datetime | None = None
    retired: bool = False
    pictures: Pictures | None = field(default=None, compare=False, repr=False)

    def cutout(self) -> Image.Image:
        """The product alone: RGBA, at most 256 px a side, cropped to its content.

        Raises NoCutout.
        """
        if not self.cutout_name or self.pictures is None:
            raise NoCutout(f"product {self.product_id!r} has no cutout")
        return self.pictures.load(self.cutout_name).convert("RGBA")

    @property
    def shown_name(self) -> str:
        """Name of the picture that stands for it; "" where there is none."""
        return self.picture_name or self.cutout_name

    @cached_property  # a request asks several times, and the catalogue keeps the product
    def made_of(self) -> str:
        """Names what its ads are made of: picture and place of it, and all that titles may say."""
        told = (
            self.cutout_name or self.picture_name,
            repr(self.placement),
            self.name,
            self.short_name,
            self.language,
            *self.selling_points,
            "" if self.sale_price is None else "for less",
        )
        return hashlib.sha256("\0".join(told).encode()).hexdigest()[:32]

    def whole_picture(self) -> Image.Image | None:
        """The product as its shop shows it, RGB or RGBA; its cutout where that is all there is."""
        name = self.shown_name
        return self.pictures.load(name) if name and self.pictures is not None else None


@dataclass(frozen=True)
class _Held:
    """Pictures that were read."""

    by_name: Mapping[str, Image.Image]

    def load(self, name: str) -> Image.Image:
        return self.by_name[name].copy()


def with_picture(product: Product) -> Product:
    """The product with the picture that its ads are made of in memory: nothing else is read then.

    As it is where it has none. Raises what its ``pictures`` raise.
    """
    name = product.cutout_name or product.shown_name
    if not name or product.pictures is None:
        return product
    return replace(product, pictures=_Held({name: product.pictures.load(name)}))


def index_text(name: str, selling_points: Sequence[str]) -> str:
    """What a product's vector is made of."""
    return f"{name}: {', '.join(selling_points)}" if selling_points else name
