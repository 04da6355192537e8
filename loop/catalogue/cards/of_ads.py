"""Cards of ads that are kept, as files: for the server, the command line and whoever needs many."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from PIL import Image

from adloom.loop.catalogue.cards.card import draw_card
from adloom.loop.catalogue.cards.formats import FORMATS, FormatName
from adloom.loop.catalogue.cards.product_box import product_box
from adloom.loop.catalogue.cards.wording import Words, words_of
from adloom.loop.catalogue.creatives.store import Creative, CreativeStore, UnknownAd
from adloom.loop.catalogue.product import Product
from adloom.loop.catalogue.store import Catalogue

_DESIGN = 2
"""Of cards: another number, and nobody keeps the cards of before."""

CardKind = Literal["webp", "jpeg", "png"]
CARD_KINDS: tuple[CardKind, ...] = get_args(CardKind)
_SAVED: dict[CardKind, dict[str, Any]] = {
    "webp": {"quality": 88, "method": 4},
    "jpeg": {"quality": 90, "subsampling": 0, "optimize": True},
    "png": {"compress_level": 6},
}


class LostPicture(UnknownAd):
    """The ad is known, and its picture is not kept."""

    def __str__(self) -> str:
        return f"the picture of ad {self.name!r} is not kept any more, or its file is damaged"


@dataclass(frozen=True)
class CardWanted:
    """What a card shall be.

    Attributes:
        banner: with title, price and button.
        width: pixels, at most those of the format; None is all of them.
    """

    format: FormatName = "square"
    kind: CardKind = "webp"
    banner: bool = True
    width: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        whole = FORMATS[self.format]
        width = self.width or whole.width
        return width, max(1, round(whole.height * width / whole.width))


@dataclass(frozen=True)
class Advertised:
    """An ad and what its card says now: the ad never changes, the price of its product does."""

    ad: Creative
    product: Product
    words: Words

    def tag(self, wanted: CardWanted) -> str:
        """Names the bytes of a card: those of another have another."""
        product = self.product
        shown = (_DESIGN, wanted, self.ad.picture, product.cutout_name, product.placement)
        said = self.words if wanted.banner else None
        return hashlib.sha256(repr((shown, said)).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class CardFile:
    """A card as a file; ``missing`` are letters that no font has, which it does not show."""

    content: bytes
    missing: str


def advertised(
    creatives: CreativeStore, catalogue: Catalogue, ad_id: str, own_calls: Mapping[str, str]
) -> Advertised:
    """An ad with its product as it is now.

    Args:
        own_calls: the shop's own words for the button, by language.

    Raises UnknownAd, UnknownProduct.
    """
    ad = creatives.get(ad_id)
    product = catalogue[ad.product_id]
    return Advertised(ad, product, words_of(ad.title, product, own_calls))


def card_file(creatives: CreativeStore, shown: Advertised, wanted: CardWanted) -> CardFile:
    """The card of an ad. The same ad, with the same price, gives the same bytes.

    Raises LostPicture, PicturesAway.
    """
    try:
        picture = creatives.picture(shown.ad.picture)
    except UnknownAd as error:
        raise LostPicture(shown.ad.ad_id) from error
    words = shown.words if wanted.banner else None
    box = product_box(picture, shown.product)
    card, layout = draw_card(picture, box, words, FORMATS[wanted.format])
    if wanted.size != card.size:
        card = card.resize(wanted.size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    card.save(buffer, wanted.kind, **_SAVED[wanted.kind])
    return CardFile(buffer.getvalue(), "" if layout.banner is None else layout.banner.missing)
