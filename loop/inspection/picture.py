"""How well a product is seen on the picture of its ad.

Measured on a small copy, in CIE Lab, whose distances are differences that eyes see: what is to be
found is a product that hardly anybody would see, not one that could be seen better.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_dilation, uniform_filter
from skimage.color import rgb2lab

from adloom.models.compose import cutout_layer, place_cutout
from adloom.models.placement import Placement

_SIDE = 96
_AROUND = 65  # pixels of the copy across which the ground around the product is averaged
_BESIDE = 9
_EDGE = 2
_SEEN = 10.0
_SOLID, _NOTHING = 128, 16  # alpha of what is product, and of what is ground

_Lab = NDArray[np.float32]
_Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Standing:
    """How a product stands on its ad.

    Attributes:
        cut: part of it lies outside of the picture.
        visible: share of it, 0 to 1, whose colour differs from the ground around it.
        contrast: difference in colour between its edge and the ground beside that, 0 to 100
            and somewhat more: that of half of the edge is smaller.
    """

    cut: bool
    visible: float
    contrast: float


def standing_of(
    picture: Image.Image, cutout: Image.Image, placement: Placement | None = None
) -> Standing:
    """Of a square picture on which the cutout was pasted (`adloom.models.compose`).

    Where the product leaves no ground to be seen nothing hides it: visible is 1, contrast 100.
    """
    left, top, width, height = place_cutout(cutout, picture.width, placement)
    right, bottom = left + width, top + height
    cut = min(left, top) < -1 or right > picture.width + 1 or bottom > picture.height + 1
    small = picture.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    lab = rgb2lab(np.asarray(small, np.float32) / 255).astype(np.float32)
    place = _place(cutout.convert("RGBA").tobytes(), cutout.size, placement)
    ground = lab * place.ground[..., None]
    seen, beside = place.product.apart(lab, ground), place.edge.apart(lab, ground)
    return Standing(
        cut=cut,
        visible=float((seen >= _SEEN).mean()) if len(seen) else 1.0,
        contrast=float(np.median(beside)) if len(beside) else 100.0,
    )


@dataclass(frozen=True)
class _Beside:
    """Pixels that have ground within a square around them.

    Attributes:
        pixels: which, shape (96, 96).
        weight: how much of the square is ground, shape (n, 1).
        across: side of the square.
    """

    pixels: _Mask
    weight: NDArray[np.float32]
    across: int

    @classmethod
    def of(cls, pixels: _Mask, ground: _Mask, across: int) -> Self:
        weight = uniform_filter(ground.astype(np.float32), across, mode="constant")
        known = pixels & (weight > 0.5 / across**2)
        return cls(known, weight[known][:, None], across)

    def apart(self, lab: _Lab, ground: _Lab) -> _Lab:
        """How far they are from the mean of the ground around them: (n,)."""
        total = uniform_filter(ground, (self.across, self.across, 1), mode="constant")
        return np.linalg.norm(lab[self.pixels] - total[self.pixels] / self.weight, axis=1)


@dataclass(frozen=True)
class _Place:
    """Where a product stands on the small copy: the same for all of its ads."""

    ground: _Mask
    product: _Beside
    edge: _Beside


@lru_cache(maxsize=32)  # up to some 300 KB each, of cutouts as a catalogue has them
def _place(pixels: bytes, of: tuple[int, int], placement: Placement | None) -> _Place:
    """``pixels`` are those of the cutout, RGBA."""
    layer = cutout_layer(Image.frombytes("RGBA", of, pixels), _SIDE, placement)
    alpha = np.asarray(layer.getchannel("A"))
    product, ground = alpha >= _SOLID, alpha < _NOTHING
    if not product.any():  # thinner than a pixel of the copy: what there is of it
        product = alpha >= max(1, int(alpha.max()))
    edge = product & binary_dilation(ground, iterations=_EDGE)
    return _Place(ground, _Beside.of(product, ground, _AROUND), _Beside.of(edge, ground, _BESIDE))
