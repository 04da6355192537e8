"""Colour moods that tint every scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Colour = NDArray[np.floating]
"""RGB in 0..1, shape ``(3,)``; float32, as far as NumPy's types can tell a float."""


def rgb(code: str) -> Colour:
    """Colour of a hex code such as ``"e8784a"``."""
    return np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)], dtype=np.float32) / 255


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """``first`` moved towards ``second`` by ``share`` (0..1)."""
    return (first * (1 - share) + second * share).astype(np.float32)


@dataclass(frozen=True)
class Palette:
    """Three colours: of light, of accents, of shade; and how strongly they tint."""

    light: Colour
    accent: Colour
    deep: Colour
    strength: float = 0.55


PALETTES: dict[str, Palette] = {
    "warm": Palette(rgb("ffd9a8"), rgb("ee7a3a"), rgb("7a2f22")),
    "cool": Palette(rgb("cfe6fb"), rgb("3f86d8"), rgb("173a78")),
    "pastel": Palette(rgb("fdeaf1"), rgb("f3a9c6"), rgb("b79ad6"), 0.6),
    "noir": Palette(rgb("d6d6da"), rgb("77777d"), rgb("131316"), 0.88),
    "vivid": Palette(rgb("ffe14d"), rgb("f0268f"), rgb("5a12b8"), 0.62),
    "earth": Palette(rgb("e9dfc4"), rgb("8f8a3c"), rgb("434a22"), 0.6),
}
