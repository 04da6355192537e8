"""The card: a picture in a format, with or without its banner."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from adloom.loop.catalogue.cards.banner import Banner, draw_banner, set_banner
from adloom.loop.catalogue.cards.boxes import Box
from adloom.loop.catalogue.cards.formats import Format
from adloom.loop.catalogue.cards.framing import Frame, frame, framed
from adloom.loop.catalogue.cards.palette import Palette, palette_of
from adloom.loop.catalogue.cards.wording import Words

_ROOM = 0.04
"""Of the picture's longer side: what stays around the product, where there is so much."""


@dataclass(frozen=True)
class Layout:
    """Where everything lies on a card, pixels.

    Attributes:
        region: what the picture fills.
        frame: where the picture lies.
        product: the product's box.
        banner: None where the card has none.
    """

    size: tuple[int, int]
    region: Box
    frame: Frame
    product: Box
    banner: Banner | None


def lay_out(
    picture: tuple[int, int], product: Box, words: Words | None, card: Format, palette: Palette
) -> Layout:
    """Set out a card.

    Args:
        picture: width and height, pixels.
        product: its box on the picture, which holds it.
        words: those of the banner; None for a card without one.
    """
    banner = None
    if words is not None:
        box, room = card.banner, card.words
        if words.rtl:
            box, room = box.mirrored(card.card), room.mirrored(card.card)
        banner = set_banner(words, box, room, palette, beside=card.beside, unit=card.scale)
    region = card.beyond(None if banner is None else banner.box)
    kept = product.grown(round(_ROOM * max(picture)), Box(0, 0, *picture))
    at = frame(picture, kept, region, region.shared(card.free))
    seen = at.of(product).shared(region)
    return Layout((card.width, card.height), region, at, seen, banner)


def draw_card(
    picture: Image.Image, product: Box, words: Words | None, card: Format
) -> tuple[Image.Image, Layout]:
    """The card in its full size, RGB, and where everything lies on it.

    The same picture, box and words give the same pixels.
    """
    layout = lay_out(picture.size, product, words, card, palette_of(picture))
    drawn = Image.new("RGB", layout.size)
    region = layout.region
    drawn.paste(framed(picture, layout.frame, layout.product, region), region.edges)
    if layout.banner is not None:
        draw_banner(drawn, layout.banner)
    return drawn, layout
