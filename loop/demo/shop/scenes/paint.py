"""A small brush set: soft shapes and light on a float picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from adloom.loop.demo.shop.scenes.palette import Colour, Palette, mix, rgb

Field = NDArray[np.floating]
"""One value a pixel, ``(size, size)``."""


def smooth(low: float, high: float, value: Field) -> Field:
    """0 below ``low``, 1 above ``high``, an S-curve between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


class Canvas:
    """A square picture being painted.

    ``u`` runs 0..1 from left to right, ``v`` 0..1 from top to bottom; ``image`` is float32
    ``(size, size, 3)`` in 0..1; ``rng`` makes a scene's variations.
    """

    def __init__(self, size: int, palette: Palette, rng: np.random.Generator) -> None:
        line = (np.arange(size, dtype=np.float32) + 0.5) / size
        self.u: Field
        self.v: Field
        self.u, self.v = np.meshgrid(line, line)
        self.palette = palette
        self.rng = rng
        self.image: NDArray[np.floating] = np.zeros((size, size, 3), dtype=np.float32)

    def pick(self, low: float, high: float) -> float:
        """A random number of this scene."""
        return float(self.rng.uniform(low, high))

    def light(self, natural: str, share: float | None = None) -> Colour:
        """``natural`` colour tinted by the palette's light."""
        return mix(rgb(natural), self.palette.light, share or self.palette.strength)

    def accent(self, natural: str, share: float | None = None) -> Colour:
        """``natural`` colour tinted by the palette's accent."""
        return mix(rgb(natural), self.palette.accent, share or self.palette.strength)

    def deep(self, natural: str, share: float | None = None) -> Colour:
        """``natural`` colour tinted by the palette's shade."""
        return mix(rgb(natural), self.palette.deep, share or self.palette.strength)

    def gradient(self, top: Colour, bottom: Colour, start: float = 0.0, end: float = 1.0) -> None:
        """Fill everything from ``top`` to ``bottom`` between two heights."""
        t = smooth(start, end, self.v)[..., None]
        self.image = top * (1 - t) + bottom * t

    def lay(self, colour: Colour | Field, mask: Field) -> None:
        """Paint ``colour`` (or a whole picture) where ``mask`` is 1."""
        m = mask[..., None]
        self.image = self.image * (1 - m) + colour * m

    def glow(self, colour: Colour, x: float, y: float, radius: float, power: float = 1.0) -> None:
        """Add light around a point."""
        d2 = (self.u - x) ** 2 + (self.v - y) ** 2
        fall = np.exp(-d2 / (2 * radius * radius)) * power
        self.image = 1 - (1 - self.image) * (1 - np.clip(fall[..., None] * colour, 0, 1))

    def disc(self, colour: Colour, x: float, y: float, radius: float, soft: float = 0.02) -> None:
        """A filled circle with a soft rim."""
        self.lay(colour, self.circle(x, y, radius, soft))

    def circle(self, x: float, y: float, radius: float, soft: float = 0.02) -> Field:
        """Mask of a circle."""
        distance = np.hypot(self.u - x, self.v - y).astype(np.float32)
        return 1 - smooth(radius - soft, radius + soft, distance)

    def box(self, x0: float, x1: float, y0: float, y1: float, soft: float = 0.012) -> Field:
        """Mask of a rectangle."""
        across = smooth(x0 - soft, x0 + soft, self.u) * (1 - smooth(x1 - soft, x1 + soft, self.u))
        down = smooth(y0 - soft, y0 + soft, self.v) * (1 - smooth(y1 - soft, y1 + soft, self.v))
        return across * down

    def below(self, height: float | Field, soft: float = 0.012) -> Field:
        """Mask of all that lies under ``height`` (a number, or one a pixel)."""
        return smooth(-soft, soft, (self.v - height).astype(np.float32))

    def waves(self, scale: float, octaves: int = 3) -> Field:
        """Smooth random field in about -1..1; ``scale`` is the number of bumps across."""
        total = np.zeros_like(self.u)
        for octave in range(octaves):
            f = scale * 2**octave
            for _ in range(3):
                angle, phase = self.rng.uniform(0, 2 * np.pi, 2)
                turn = np.cos(angle) * self.u + np.sin(angle) * self.v
                total += np.sin(2 * np.pi * f * turn + phase) / 3 / 2**octave
        return total.astype(np.float32)

    def ridge(self, height: float, relief: float, scale: float) -> Field:
        """A skyline: its height for each column of pixels."""
        line = np.zeros(self.u.shape[1], dtype=np.float32)
        for octave in range(3):
            phase = self.rng.uniform(0, 2 * np.pi)
            line += np.sin(2 * np.pi * scale * 1.9**octave * self.u[0] + phase) / 1.9**octave
        return np.broadcast_to(height + relief * line, self.u.shape).astype(np.float32)

    def vignette(self, strength: float = 0.25) -> None:
        """Darken the corners."""
        d2 = (self.u - 0.5) ** 2 + (self.v - 0.5) ** 2
        self.image = self.image * (1 - strength * smooth(0.12, 0.6, d2))[..., None]

    def pool_of_light(self, colour: Colour, power: float = 0.35) -> None:
        """Light on the ground where the product will stand."""
        d2 = ((self.u - 0.5) / 0.42) ** 2 + ((self.v - 0.88) / 0.13) ** 2
        fall = (np.exp(-d2) * power)[..., None]
        self.image = 1 - (1 - self.image) * (1 - fall * colour)
