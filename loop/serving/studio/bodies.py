"""Bodies of the studio's requests and answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from adloom.loop.catalogue.product import Product
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.http.bodies import Identifier, picture_path
from adloom.loop.serving.http.prefix import Places

MAX_SEED = 2**31 - 1

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
Shelf = Annotated[str, StringConstraints(strip_whitespace=True, max_length=750)]
Point = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=60)]


class ShopProduct(BaseModel):
    """Something to advertise."""

    product_id: str
    name: str
    category: str = Field(description="path of the shop's shelves; '' where it tells none")
    selling_points: tuple[str, ...]
    language: str = Field(description="BCP 47 tag of the texts")
    picture_url: str = Field(description="the product alone, or else as its shop shows it")
    notes: list[str] = Field(description="what to know before its ads are drawn, one line each")


class ProductPage(BaseModel):
    """Some of what the shop sells."""

    products: list[ShopProduct]
    more: bool = Field(description="there is more to look at after `reached`")
    reached: str = Field(description="id up to which was looked; '' where nothing is there")


class ShelfShown(BaseModel):
    """A shelf of the shop."""

    path: str
    name: str = Field(description="the last part of its path")
    opens: bool = Field(description="it has shelves of its own")


class ShelfPage(BaseModel):
    """Some of the shelves that lie directly under one."""

    shelves: list[ShelfShown]
    more: bool = Field(description="others follow the last one")


class Subject(BaseModel):
    """A shopper and a product, of the catalogue or uploaded."""

    model_config = ConfigDict(extra="forbid")

    user_id: Identifier
    product_id: Identifier


class Draw(Subject):
    """Ads wanted of every live variant."""

    seed: int | None = Field(default=None, ge=0, le=MAX_SEED, description="none = random")


class Drawn(BaseModel):
    """The ad of a variant, and all its names: an arm may be the champion as it is."""

    variants: list[str] = Field(min_length=1)
    version: str
    title: str
    picture_url: str
    seconds: float
    seed: int
    personalised: bool


class Promotion(BaseModel):
    """The version that is to serve."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1)
    anyway: bool = Field(default=False, description="though the gate did not let it pass")


class Moved(BaseModel):
    """The version that is ``@champion`` now."""

    champion: int


def shown(product: Product, places: Places, notes: Iterable[str] = ()) -> ShopProduct:
    """A product as the page shows it; the address of its picture changes with the picture."""
    picture = product.cutout_name or product.picture_name
    path = f"/studio/cutouts/{quote(product.product_id, safe='')}.webp"
    return ShopProduct(
        product_id=product.product_id,
        name=product.name,
        category=product.category,
        selling_points=product.selling_points,
        language=product.language,
        picture_url=places.own(f"{path}?of={picture[:16]}"),
        notes=list(notes),
    )


def drawn(ad: Ad, names: Sequence[str], places: Places) -> Drawn:
    """An ad as the page shows it, with all names of what drew it."""
    return Drawn(
        variants=list(names),
        version=ad.creative.version,
        title=ad.creative.title,
        picture_url=places.own(picture_path(ad.creative.picture)),
        seconds=round(ad.seconds, 3),
        seed=ad.creative.seed,
        personalised=ad.personalised,
    )
