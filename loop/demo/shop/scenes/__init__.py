"""Procedural backdrops of the demo shop's ads."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from adloom.loop.demo.shop.scenes import indoor, night, outdoor
from adloom.loop.demo.shop.scenes.paint import Canvas
from adloom.loop.demo.shop.scenes.palette import PALETTES as _PALETTES

_PAINTERS: dict[str, Callable[[Canvas], None]] = {
    "studio": indoor.studio,
    "podium": indoor.podium,
    "marble": indoor.marble,
    "wood": indoor.wood,
    "kitchen": indoor.kitchen,
    "velvet": indoor.velvet,
    "brick": indoor.brick,
    "beach": outdoor.beach,
    "forest": outdoor.forest,
    "mountains": outdoor.mountains,
    "desert": outdoor.desert,
    "meadow": outdoor.meadow,
    "starlight": night.starlight,
    "neon_city": night.neon_city,
    "bokeh": night.bokeh,
    "vaporwave": night.vaporwave,
}

SCENES: tuple[str, ...] = tuple(_PAINTERS)
"""Scene families; the last is the trend scene, rare among the shop's seed ads."""

PALETTES: tuple[str, ...] = tuple(_PALETTES)
"""Palettes, each of which tints every scene."""


def render_scene(scene: str, palette: str, *, seed: int, size: int = 128) -> Image.Image:
    """Paint a backdrop; the same arguments give the same picture.

    Args:
        scene: one of ``SCENES``.
        palette: one of ``PALETTES``.
        seed: chooses layout and light within the family.
        size: side in pixels.

    Returns:
        RGB picture of ``size`` x ``size`` pixels, with a ground in its lower third.

    Raises:
        KeyError: unknown scene or palette.
    """
    key = zlib.crc32(f"{scene}/{palette}".encode())
    canvas = Canvas(size, _PALETTES[palette], np.random.default_rng([key, seed]))
    _PAINTERS[scene](canvas)
    return Image.fromarray((np.clip(canvas.image, 0, 1) * 255).round().astype(np.uint8))
