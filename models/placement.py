"""Where the product lies on the picture of an ad."""

from __future__ import annotations

import math
from dataclasses import dataclass

GROUND = 0.87
"""Height (share of the picture) at which a product stands that has no place of its own."""
MAX_WIDTH, MAX_HEIGHT = 0.60, 0.58
_ROUNDED = 1e-6  # of a pixel: as a share of 384, pixel 38 is not to become 37


@dataclass(frozen=True)
class Placement:
    """A product's box on a square picture, in shares of its side.

    Attributes:
        centre: of the box, from the left.
        bottom: of the box, from the top: what a product stands on.
        width, height: of the box.
    """

    centre: float
    bottom: float
    width: float
    height: float

    def box(self, size: int) -> tuple[int, int, int, int]:
        """Left, top, width and height in pixels on a picture of ``size``; at least a pixel."""
        width, height = (max(1, round(share * size)) for share in (self.width, self.height))
        left = math.floor(self.centre * size - width / 2 + _ROUNDED)
        return left, round(self.bottom * size) - height, width, height


def standing(width: int, height: int) -> Placement:
    """On the ground, in the middle: a cutout of so many pixels, as large as it may be."""
    scale = min(MAX_WIDTH / width, MAX_HEIGHT / height)
    return Placement(0.5, GROUND, width * scale, height * scale)


def as_photographed(
    box: tuple[float, float, float, float], photo: tuple[int, int], ratio: float | None = None
) -> Placement:
    """Where the product is in its photo, as PAd1M's pictures have it (Uni-AdGen, section 4.1).

    The photo is fitted to a square as the pictures of ads are: each side is taken as a whole. The
    product keeps its middle; what would then lie outside is moved in.

    Args:
        box: left, top, right and bottom of the product in the photo, pixels.
        photo: width and height of the photo, pixels.
        ratio: share of the picture that the product's longer side takes; None keeps that of the
            photo.

    Raises:
        ValueError: the box is empty or outside the photo, or the ratio is not within (0, 1].
    """
    left, top, right, bottom = box
    wide, high = photo
    if not (0 <= left < right <= wide and 0 <= top < bottom <= high):
        raise ValueError(f"{box} is no box within a photo of {wide} x {high} px")
    if ratio is not None and not 0 < ratio <= 1:
        raise ValueError(f"a product cannot take {ratio} of its picture")
    width, height = (right - left) / wide, (bottom - top) / high
    scale = 1.0 if ratio is None else ratio / max(width, height)
    width, height = width * scale, height * scale
    centre = _within((left + right) / 2 / wide, width)
    middle = _within((top + bottom) / 2 / high, height)
    return Placement(centre, middle + height / 2, width, height)


def _within(middle: float, length: float) -> float:
    return min(max(middle, length / 2), 1 - length / 2)
