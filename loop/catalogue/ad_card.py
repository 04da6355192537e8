"""The plain card of contact sheets and reports: all of the picture, and its title under it."""

from __future__ import annotations

from PIL import Image

from adloom.loop.catalogue.cards.banner import draw_banner, set_banner
from adloom.loop.catalogue.cards.boxes import Box
from adloom.loop.catalogue.cards.palette import palette_of
from adloom.loop.catalogue.cards.wording import Words

_BANNER = 0.25  # height of the banner as a share of the picture's side
_MARGIN = 0.05
_UNIT = 1 / 1_080


def finish_ad(picture: Image.Image, title: str, *, call: str = "") -> Image.Image:
    """Puts the title under the picture, on a banner in the picture's own colour.

    Args:
        picture: the ad's picture, RGB, square.
        title: cut with an ellipsis where it is too long.
        call: the words on the button; without any there is none.

    Returns:
        RGB, as wide as the picture and a quarter higher (4:5, a feed's portrait format).
    """
    size = picture.width
    box = Box(0, size, size, size + round(size * _BANNER))
    card = Image.new("RGB", (size, box.bottom))
    card.paste(picture.convert("RGB"), (0, 0))
    banner = set_banner(
        Words(title, call=call),
        box,
        box.inset(round(size * _MARGIN), round(size * _MARGIN / 2)),
        palette_of(picture),
        beside=True,
        unit=size * _UNIT,
    )
    draw_banner(card, banner)
    return card
