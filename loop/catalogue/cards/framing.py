"""How a picture fills its part of a card: around the product, of which nothing is cut."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from adloom.loop.catalogue.cards.boxes import Box

_SMALL = 24  # pixels of the picture's longer side in what its edges are continued from
_FEATHER = 0.05  # of the region's longer side


@dataclass(frozen=True)
class Frame:
    """Where a picture lies on a card: its left and top in pixels of the card, and its scale."""

    left: float
    top: float
    scale: float

    def of(self, box: Box) -> Box:
        """Where a box of the picture lies on the card: the whole pixels that hold it."""
        return Box(
            math.floor(self.left + box.left * self.scale + 1e-6),
            math.floor(self.top + box.top * self.scale + 1e-6),
            math.ceil(self.left + box.right * self.scale - 1e-6),
            math.ceil(self.top + box.bottom * self.scale - 1e-6),
        )


def frame(picture: tuple[int, int], kept: Box, region: Box, stage: Box) -> Frame:
    """Covers a region with a picture as far as all of what is kept stays on the stage.

    Args:
        picture: its width and height, pixels.
        kept: the box of the picture that must be seen.
        region: what the picture is to fill, pixels of the card.
        stage: the part of it where the kept box has to lie.
    """
    width, height = picture
    cover = max(region.width / width, region.height / height)
    scale = min(cover, stage.width / kept.width, stage.height / kept.height)
    left = _offset(
        width * scale,
        (kept.left * scale, kept.right * scale),
        (region.left, region.right),
        (stage.left, stage.right),
    )
    top = _offset(
        height * scale,
        (kept.top * scale, kept.bottom * scale),
        (region.top, region.bottom),
        (stage.top, stage.bottom),
    )
    return Frame(left, top, scale)


def _offset(
    length: float, kept: tuple[float, float], region: tuple[int, int], stage: tuple[int, int]
) -> float:
    """Where the picture begins: what is kept in the middle, as far as no edge is laid bare.

    A picture shorter than the region lies within it. On the stage what is kept lies anyway.
    """
    wished = (stage[0] + stage[1]) / 2 - (kept[0] + kept[1]) / 2
    least, most = sorted((float(region[0]), region[1] - length))
    covering = min(max(wished, least), most)
    return min(max(covering, stage[0] - kept[0]), stage[1] - kept[1])


def framed(picture: Image.Image, at: Frame, product: Box, region: Box) -> Image.Image:
    """The region, RGB: the picture where it reaches, and its edges blurred where it does not.

    Args:
        product: its box on the card; nothing of it is blurred.
    """
    whole = at.of(Box(0, 0, *picture.size)).shared(region)
    source = (
        max(0.0, (whole.left - at.left) / at.scale),
        max(0.0, (whole.top - at.top) / at.scale),
        min(float(picture.width), (whole.right - at.left) / at.scale),
        min(float(picture.height), (whole.bottom - at.top) / at.scale),
    )
    shown = picture.convert("RGB").resize(whole.size, Image.Resampling.LANCZOS, box=source)
    if whole == region:
        return shown
    ground = _continued(shown, whole, region)
    ground.paste(
        shown,
        (whole.left - region.left, whole.top - region.top),
        _softened(whole, region, product),
    )
    return ground


def _continued(shown: Image.Image, at: Box, region: Box) -> Image.Image:
    """A region that is filled with what a picture within it shows at its edges, blurred."""
    per_pixel = max(at.size) / _SMALL
    wide, high = (max(2, round(side / per_pixel)) for side in at.size)
    small = np.asarray(shown.resize((wide, high), Image.Resampling.BOX))
    across, down = at.width / wide, at.height / high
    bare = (
        (at.left - region.left) / across,
        (at.top - region.top) / down,
        (region.right - at.right) / across,
        (region.bottom - at.bottom) / down,
    )
    left, top, right, bottom = (math.ceil(side) + 2 for side in bare)
    padded = Image.fromarray(np.pad(small, ((top, bottom), (left, right), (0, 0)), mode="edge"))
    blurred = padded.filter(ImageFilter.GaussianBlur(1.2))
    x, y = left - bare[0], top - bare[1]
    box = (x, y, x + region.width / across, y + region.height / down)
    return blurred.resize(region.size, Image.Resampling.BICUBIC, box=box)


def _softened(at: Box, region: Box, product: Box) -> Image.Image:
    """A mask of the picture: its edges within the region fade, up to the product at most."""
    most = round(_FEATHER * max(region.size))
    across, down = np.ones(at.width), np.ones(at.height)
    for ramp, edge, border, gap in (
        (across, at.left, region.left, product.left - at.left),
        (across[::-1], at.right, region.right, at.right - product.right),
        (down, at.top, region.top, product.top - at.top),
        (down[::-1], at.bottom, region.bottom, at.bottom - product.bottom),
    ):
        length = min(most, gap)
        if edge != border and length > 0:
            fade = (np.arange(length) + 0.5) / length
            ramp[:length] *= fade * fade * (3 - 2 * fade)
    return Image.fromarray(np.round(255 * np.outer(down, across)).astype(np.uint8))
