"""The finished picture: the product, sharp, on the generated background."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from PIL import Image, ImageChops, ImageFilter, ImageOps

from adloom.models.placement import Placement, standing

_SOLID = 128  # of 255: less of it lets the light through
_CONTACT_DEPTH = 0.035
_FLOOR_DEPTH = 0.05
"""Shares of a picture: how deep a contact's shadow is, and how far back feet stand."""
_SHADED = 0.22, 0.1
"""Shares of a picture above and below the ground that shadows of contacts may reach."""


def place_cutout(
    cutout: Image.Image, size: int, placement: Placement | None = None
) -> tuple[int, int, int, int]:
    """Left, top, width and height in pixels of ``cutout`` on a square picture of ``size``.

    Without a ``placement`` it stands on the ground in the middle.
    """
    return (placement or standing(cutout.width, cutout.height)).box(size)


def cutout_layer(cutout: Image.Image, size: int, placement: Placement | None = None) -> Image.Image:
    """The cutout at its place on a transparent square of ``size`` pixels (RGBA)."""
    left, top, width, height = place_cutout(cutout, size, placement)
    layer = Image.new("RGBA", (size, size), (0, 0, 0, 0))
    resized = cutout.convert("RGBA").resize((width, height), Image.Resampling.LANCZOS)
    layer.paste(resized, (left, top))
    return layer


def on_white(cutout: Image.Image, size: int, placement: Placement | None = None) -> Image.Image:
    """The cutout at its place on plain white (RGB): input of the foreground encoder."""
    white = Image.new("RGBA", (size, size), (255, 255, 255, 255))
    return Image.alpha_composite(white, cutout_layer(cutout, size, placement)).convert("RGB")


def cast_shadow(
    background: Image.Image,
    cutout: Image.Image,
    placement: Placement | None = None,
    *,
    depth: float,
) -> Image.Image:
    """Darken ``background`` where a product standing on it takes the light away.

    ``depth`` is the height of the shadow's soft pool as a share of the picture. Returns an RGB
    picture of the same size. Where it touches the ground see :class:`ContactShadow`.
    """
    size = background.width
    _, top, _, height = place_cutout(cutout, size, placement)
    bottom = cutout_layer(cutout, size, placement).getchannel("A")
    strip = bottom.resize((size, 1), Image.Resampling.BOX).resize(
        (size, max(2, round(depth * size)))
    )
    mask = Image.new("L", (size, size), 0)
    mask.paste(strip, (0, top + height - strip.height // 2))
    shade = Image.merge("RGB", [_light(mask, depth)] * 3)
    return ImageChops.multiply(background.convert("RGB"), shade)


@dataclass(frozen=True)
class ContactShadow:
    """Where a product touches the ground, and how dark that is: the same on any background.

    The ground is where its lowest point is. A foot that stands a little higher stands further
    back, and has its shadow there; what is higher hangs in the air, and has none.

    Attributes:
        light: what the ground is multiplied by (L), as wide as the picture; None = no shadow.
        top: the row of the picture where that begins.
    """

    light: Image.Image | None
    top: int

    @classmethod
    def under(cls, layer: Image.Image) -> Self:
        """Of the product at its place on a square picture, RGBA (:func:`cutout_layer`)."""
        size = layer.width
        solid = np.asarray(layer.getchannel("A")) >= _SOLID
        if not solid.any():
            return cls(None, 0)
        lowest = size - 1 - solid[::-1].argmax(axis=0)  # of each column
        lowest[~solid.any(axis=0)] = -size
        ground = int(lowest.max())
        strength = 255 * np.exp(-(((ground - lowest) / (_FLOOR_DEPTH * size)) ** 2))
        # Rows further away than this are not darkened at all.
        top, bottom = (round(ground + rows * size) for rows in (-_SHADED[0], _SHADED[1]))
        top, bottom = max(0, top), min(size, bottom)
        near = np.abs(np.arange(top, bottom)[:, None] - lowest) <= _CONTACT_DEPTH * size / 2
        mask = Image.fromarray((near * strength).astype(np.uint8))
        return cls(_light(mask, _CONTACT_DEPTH), top)

    def darken(self, picture: Image.Image) -> None:
        """Lay it on a picture, RGB, of the layer's size."""
        if self.light is None:
            return
        band = picture.crop((0, self.top, picture.width, self.top + self.light.height))
        shade = Image.merge("RGB", [self.light] * 3)
        picture.paste(ImageChops.multiply(band, shade), (0, self.top))


def _light(mask: Image.Image, depth: float) -> Image.Image:
    """What is left of the light under a mask (L) that is softened by a share of the picture."""
    spread = max(1.0, depth * mask.width * 0.55)
    softened = mask.filter(ImageFilter.GaussianBlur(spread)).point(lambda v: min(150, v * 2))
    return ImageChops.invert(softened)


@dataclass(frozen=True)
class _Placed:
    """A product in its size, its left and top, and its shadow: the same for all of its ads."""

    product: Image.Image
    place: tuple[int, int]
    shadow: ContactShadow


@lru_cache(maxsize=32)  # a MB each, of cutouts as a catalogue has them
def _placed(
    pixels: bytes, of: tuple[int, int], size: int, placement: Placement | None
) -> _Placed | None:
    """``pixels`` are those of the cutout, RGBA; None where all of it lies outside the picture."""
    layer = cutout_layer(Image.frombytes("RGBA", of, pixels), size, placement)
    box, shadow = layer.getbbox(), ContactShadow.under(layer)
    return None if box is None else _Placed(layer.crop(box), box[:2], shadow)


def compose_ad(
    background: Image.Image,
    cutout: Image.Image,
    placement: Placement | None = None,
    *,
    size: int = 512,
    shadow: bool = True,
) -> Image.Image:
    """Upscale the background, lay a contact shadow, paste the cutout at full sharpness.

    Args:
        background: generated picture, RGB, square, any size.
        cutout: product with transparency (RGBA), cropped to its content.
        placement: where the product lies; None stands it on the ground in the middle.
        size: side of the finished picture in pixels.
        shadow: False where the background holds the product, and so its shadow, already.

    Returns:
        RGB picture of ``size`` x ``size`` pixels.
    """
    picture = background.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
    placed = _placed(cutout.convert("RGBA").tobytes(), cutout.size, size, placement)
    if placed is not None:
        if shadow:
            placed.shadow.darken(picture)
        picture.paste(placed.product, placed.place, placed.product)
    return picture


def show_whole(picture: Image.Image, *, size: int = 512) -> Image.Image:
    """A picture that is no cutout, whole, on a square ground that goes on in its colours.

    Args:
        picture: of any size and shape; what is transparent of it becomes white.
        size: side of the result in pixels.

    Returns:
        RGB picture of ``size`` x ``size`` pixels.
    """
    white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    flat = Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")
    inner = ImageOps.contain(flat, (size, size), Image.Resampling.LANCZOS)
    if inner.size == (size, size):
        return inner
    ground = ImageOps.fit(flat, (size, size)).filter(ImageFilter.GaussianBlur(size / 16))
    ground.paste(inner, ((size - inner.width) // 2, (size - inner.height) // 2))
    return ground
