"""Solid things drawn with light: bodies turned on a lathe, tubes along a path, flat plates.

All lengths are parts of the side of the picture, y grows downwards, light comes from above left.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

Floats = npt.NDArray[np.floating]
Colour = tuple[int, int, int]
Point = tuple[float, float]

_LIGHT = np.array([-0.45, -0.55, 0.70])
_HALFWAY = np.array([-0.25, -0.31, 0.92])
_SIDE = 640  # drawn at twice the side that is handed out, so that edges are smooth
_TILT = 0.20  # how much of a circle is seen when it lies flat


class Drawing:
    """A picture of one thing on nothing; each call lays one part over those before."""

    def __init__(self) -> None:
        self._colour = np.zeros((_SIDE, _SIDE, 3))
        self._alpha = np.zeros((_SIDE, _SIDE))
        steps = (np.arange(_SIDE) + 0.5) / _SIDE
        self.x, self.y = np.meshgrid(steps, steps)

    def picture(self) -> Image.Image:
        """RGBA, cropped to its content."""
        rgb = self._colour / np.maximum(self._alpha, 1e-6)[..., None]
        whole = np.dstack([rgb, self._alpha]).clip(0, 1)
        image = Image.fromarray((whole * 255).round().astype(np.uint8))
        small = image.convert("RGBa").resize((_SIDE // 2, _SIDE // 2), Image.Resampling.LANCZOS)
        done = small.convert("RGBA")
        return done.crop(done.getchannel("A").point(lambda a: 255 if a > 9 else 0).getbbox())

    def lathe(
        self,
        middle: float,
        profile: Sequence[Point],
        colour: Colour | Floats,
        *,
        gloss: float = 0.35,
        opacity: float = 1.0,
    ) -> None:
        """A turned body: `profile` holds (y, radius) from its top to its foot.

        A colour of shape (side, side, 3), values 0..1, paints it with a pattern.
        """
        heights, radii = _rounded(profile)
        across = self.x - middle
        level = self.y
        for _ in range(3):  # circles are seen from a little above, so their fronts hang lower
            radius = np.interp(level, heights, radii)
            depth = np.sqrt((1 - (across / np.maximum(radius, 1e-6)) ** 2).clip(0, 1))
            level = self.y - _TILT * radius * depth
        inside = (np.abs(across) <= radius) & (level >= heights[0]) & (level <= heights[-1])
        step = 0.004
        slope = np.interp(level + step, heights, radii) - np.interp(level - step, heights, radii)
        normal = np.dstack([across / np.maximum(radius, 1e-6), -slope / (2 * step), depth])
        self._lay(inside * opacity, colour, normal, gloss)

    def disc(
        self,
        centre: Point,
        radius: float,
        colour: Colour,
        *,
        tilt: float = _TILT,
        shade: float = 0.0,
    ) -> None:
        """A flat round, such as an opening or a lid; `shade` darkens its front (below 0: back)."""
        across, along = (self.x - centre[0]) / radius, (self.y - centre[1]) / (radius * tilt)
        inside = across**2 + along**2 <= 1
        light = 1 - shade * (0.5 + 0.5 * (along + 0.6 * across).clip(-1, 1))
        self._over(inside * 1.0, _rgb(colour) * light[..., None])

    def tube(
        self,
        path: Sequence[Point],
        radius: float,
        colour: Colour,
        *,
        end_radius: float | None = None,
        gloss: float = 0.4,
    ) -> None:
        """A round rod along a path, from `radius` to `end_radius`."""
        last = radius if end_radius is None else end_radius
        nearest = np.full(self.x.shape, np.inf)
        normal = np.zeros((*self.x.shape, 3))
        count = len(path) - 1
        for number, ((x0, y0), (x1, y1)) in enumerate(pairwise(path)):
            length = max((x1 - x0) ** 2 + (y1 - y0) ** 2, 1e-12)
            part = (((self.x - x0) * (x1 - x0) + (self.y - y0) * (y1 - y0)) / length).clip(0, 1)
            here = radius + (last - radius) * (number + part) / count
            dx = (self.x - x0 - part * (x1 - x0)) / here
            dy = (self.y - y0 - part * (y1 - y0)) / here
            away = np.hypot(dx, dy)
            closer = away < nearest
            nearest = np.where(closer, away, nearest)
            side = np.dstack([dx, dy, np.sqrt((1 - away**2).clip(0, 1))])
            normal = np.where(closer[..., None], side, normal)
        self._lay((nearest <= 1) * 1.0, colour, normal, gloss)

    def plate(
        self,
        corners: Sequence[Point],
        colour: Colour | Floats,
        *,
        rounding: float = 0.0,
        light: float = 1.0,
        fall: float = 0.18,
        holes: Sequence[Sequence[Point]] = (),
    ) -> None:
        """A flat piece; `fall` is how much darker its lower right is, `rounding` its corners."""
        mask = Image.new("L", (_SIDE, _SIDE))
        pen = ImageDraw.Draw(mask)
        pen.polygon([(x * _SIDE, y * _SIDE) for x, y in corners], fill=255)
        if rounding:
            soft = mask.filter(ImageFilter.GaussianBlur(rounding * _SIDE))
            mask = soft.point(lambda value: 255 if value > 127 else 0)
        for hole in holes:
            points = [(x * _SIDE, y * _SIDE) for x, y in hole]
            ImageDraw.Draw(mask).polygon(points, fill=0)
        inside = np.asarray(mask, dtype=np.float64) / 255
        edge = np.asarray(mask.filter(ImageFilter.GaussianBlur(0.006 * _SIDE))) / 255
        lit = np.roll(edge, (4, 4), (0, 1)) - np.roll(edge, (-4, -4), (0, 1))
        along = (self.x + self.y) / 2
        shade = light * (1 + fall / 2 - fall * along) - 0.22 * lit
        self._over(inside, _rgb(colour) * shade[..., None])

    def _lay(self, cover: Floats, colour: Colour | Floats, normal: Floats, gloss: float) -> None:
        normal = normal / np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-6)
        diffuse = (normal @ _LIGHT).clip(0, None)
        shine = (normal @ _HALFWAY).clip(0, None) ** 40 * gloss
        bounce = (normal @ np.array([0.7, 0.3, 0.2])).clip(0, None) * 0.12
        shade = (0.48 + 0.58 * diffuse + bounce)[..., None]
        self._over(cover, _rgb(colour) * shade + shine[..., None])

    def _over(self, cover: Floats, colour: Floats) -> None:
        kept = 1 - cover
        self._colour = colour.clip(0, 1) * cover[..., None] + self._colour * kept[..., None]
        self._alpha = cover + self._alpha * kept


def _rounded(profile: Sequence[Point], reach: float = 0.02) -> tuple[Floats, Floats]:
    """The profile with its inner corners rounded; radii are means over `reach` up and down."""
    heights = np.linspace(profile[0][0], profile[-1][0], 400)
    radii = np.interp(heights, *np.array(profile).T)
    width = int(reach / max(heights[1] - heights[0], 1e-6))
    for _ in range(2):
        room = np.minimum(np.minimum(np.arange(400), np.arange(400)[::-1]), width)
        sums = np.concatenate([[0.0], np.cumsum(radii)])
        middle = np.arange(400)
        radii = (sums[middle + room + 1] - sums[middle - room]) / (2 * room + 1)
    return heights, radii


def _rgb(colour: Colour | Floats) -> Floats:
    return colour if isinstance(colour, np.ndarray) else np.array(colour) / 255


def arc(centre: Point, radii: Point, start: float, end: float) -> list[Point]:
    """A path along an ellipse, angles in degrees, 0 to the right, 90 downwards."""
    angles = np.radians(np.linspace(start, end, 24))
    return [
        (centre[0] + radii[0] * float(np.cos(a)), centre[1] + radii[1] * float(np.sin(a)))
        for a in angles
    ]


def round_hole(centre: Point, radius: float) -> list[Point]:
    """Corners of a hole that a plate can have."""
    return arc(centre, (radius, radius), 0, 360)


def bands(
    drawing: Drawing, colours: Sequence[Colour], width: float, axis: Literal["x", "y"] = "y"
) -> Floats:
    """A pattern of stripes for `lathe` and `plate`."""
    along = drawing.y if axis == "y" else drawing.x
    return _rgb_table(colours)[(along / width).astype(int) % len(colours)]


def wood(drawing: Drawing, colour: Colour, seed: int) -> Floats:
    """A pattern of grain that runs from left to right."""
    rng = np.random.default_rng(seed)
    rows = np.cumsum(rng.normal(0, 1, _SIDE))
    rows = (rows - rows.mean()) / np.abs(rows).max()
    bent = (drawing.y + 0.02 * np.sin(5 * drawing.x + seed)).clip(0, 0.999) * _SIDE
    grain = 1 + 0.16 * rows[bent.astype(int)] + 0.05 * np.sin(bent * 0.45)
    return _rgb(colour) * grain[..., None]


def _rgb_table(colours: Sequence[Colour]) -> Floats:
    return np.array(colours) / 255
