"""The formats of cards: how large each is, and where its picture and its banner lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from adloom.loop.catalogue.cards.boxes import Box

FormatName = Literal["square", "portrait", "landscape", "story"]
FORMAT_NAMES: tuple[FormatName, ...] = get_args(FormatName)


@dataclass(frozen=True)
class Format:
    """A size of card, in pixels.

    Attributes:
        banner: the banner's box where the language runs from left to right.
        words: the part of it that words may stand in.
        beside: the button stands beside the title, not beneath it.
        scale: size of its letters, where those of a square are 1.
        covered_top, covered_bottom: what apps lay their own buttons over; neither the product nor
            words stand there.
    """

    name: FormatName
    width: int
    height: int
    banner: Box
    words: Box
    beside: bool
    scale: float = 1.0
    covered_top: int = 0
    covered_bottom: int = 0

    @property
    def card(self) -> Box:
        """All of it."""
        return Box(0, 0, self.width, self.height)

    @property
    def free(self) -> Box:
        """All but what apps cover."""
        return Box(0, self.covered_top, self.width, self.height - self.covered_bottom)

    def beyond(self, banner: Box | None) -> Box:
        """What the picture fills: all above or beside such a banner; without one all of it."""
        if banner is None:
            return self.card
        if banner.width == self.width:
            return Box(0, 0, self.width, banner.top)
        if banner.left > 0:
            return Box(0, 0, banner.left, self.height)
        return Box(banner.right, 0, self.width, self.height)


def _banner_below(name: FormatName, height: int, top: int) -> Format:
    banner = Box(0, top, 1_080, height)
    return Format(name, 1_080, height, banner, banner.inset(60, 36), beside=True)


FORMATS: dict[FormatName, Format] = {
    "square": _banner_below("square", 1_080, 780),
    "portrait": _banner_below("portrait", 1_350, 1_010),
    "landscape": Format(
        "landscape",
        1_200,
        628,
        banner=Box(690, 0, 1_200, 628),
        words=Box(738, 48, 1_152, 580),
        beside=False,
    ),
    # Apps that show stories cover some 14 % at the top and 20 % at the bottom.
    "story": Format(
        "story",
        1_080,
        1_920,
        banner=Box(0, 1_120, 1_080, 1_920),
        words=Box(72, 1_168, 1_008, 1_540),
        beside=False,
        scale=1.25,
        covered_top=270,
        covered_bottom=380,
    ),
}
