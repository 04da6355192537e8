"""Colours of a banner: in the hue of the picture, and such that everybody can read it."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
from PIL import Image

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""
LEAST_CONTRAST = 4.5
"""WCAG 2, level AA."""
_WHITE: Colour = (255, 255, 255)
_DARK: Colour = (24, 24, 28)


@dataclass(frozen=True)
class Palette:
    """``ink``, ``accent`` and ``faint`` are for words on ``ground``, ``on_accent`` for those on
    ``accent``."""

    ground: Colour
    ink: Colour
    accent: Colour
    faint: Colour
    on_accent: Colour


def palette_of(picture: Image.Image) -> Palette:
    """A deep ground and a light accent in the hue that colours the picture most.

    The less colour the picture has, the less has its banner.
    """
    small = np.asarray(picture.convert("RGB").resize((24, 24)).convert("HSV"), dtype=np.float64)
    hue, colour = small[..., 0].ravel(), (small[..., 1] * small[..., 2]).ravel()
    bins = np.bincount((hue // 16).astype(int), weights=colour, minlength=16)
    chosen = hue // 16 == int(bins.argmax())
    main = float(np.average(hue[chosen], weights=colour[chosen] + 1e-6)) / 255
    vivid = min(1.0, float(colour.mean()) / (255 * 90))
    some = min(1.0, 8 * vivid)
    ground = _rgb(colorsys.hsv_to_rgb(main, some * (0.35 + 0.30 * vivid), 0.24))
    accent = _rgb(colorsys.hsv_to_rgb(main, some * (0.10 + 0.15 * vivid), 0.98))
    return Palette(
        ground,
        ink=_to_read_on(ground, _WHITE),
        accent=_to_read_on(ground, accent),
        faint=_to_read_on(ground, _between(ground, _WHITE, 0.72)),
        on_accent=_to_read_on(accent, _DARK),
    )


def contrast(one: Colour, other: Colour) -> float:
    """By WCAG 2, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _to_read_on(ground: Colour, wished: Colour) -> Colour:
    """The colour that is wished for, or black or white where it could not be read."""
    if contrast(ground, wished) >= LEAST_CONTRAST:
        return wished
    return max(_WHITE, (0, 0, 0), key=lambda plain: contrast(ground, plain))


def _luminance(colour: Colour) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _between(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _rgb(colour: tuple[float, float, float]) -> Colour:
    red, green, blue = (round(255 * part) for part in colour)
    return red, green, blue
