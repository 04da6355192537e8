"""Soft edges of a product cut out: how much of each pixel it covers, and what its own colour is."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

from adloom.loop.catalogue.pictures.plain_ground import Division, Mask, Pixels

_BAND = 2  # pixels on both sides of the outline that are mixed
_FAINT = 0.08  # cover that noise fakes
_MIXED = 0.6  # cover
_PURE = 0.85  # of the greatest difference from the ground nearby
_ALIKE = 0.08  # product and ground too near to each other to tell how much is which


def soften(rgb: Pixels, division: Division) -> Image.Image:
    """The product on nothing, with edges that carry nothing of the ground's colour.

    A pixel of the edge is a mixture of the ground, which is known, and the product, which is as the
    nearest pixel is that lies wholly inside.

    Args:
        rgb: the picture, from 0 to 1: [height, width, 3].

    Returns:
        RGBA of the same size.
    """
    product, ground = division.product, division.ground
    core = _core(product, np.linalg.norm(rgb - ground, axis=-1))
    near = ndimage.binary_dilation(product, iterations=_BAND - 1)
    rows, columns = ndimage.distance_transform_edt(
        ~core, return_distances=False, return_indices=True
    )
    inside = rgb[rows, columns]
    span = inside - ground
    length = (span**2).sum(axis=-1)
    mixed = ((rgb - ground) * span).sum(axis=-1) / np.maximum(length, 1e-6)
    drawn = ndimage.gaussian_filter(product.astype(np.float32), 0.7)
    cover = np.where(length < _ALIKE**2, drawn, mixed)
    cover = np.clip((cover - _FAINT) / (1 - 2 * _FAINT), 0, 1)
    cover = np.where(core, 1.0, np.where(near, cover, 0.0))[..., None]
    pure = np.clip((rgb - (1 - cover) * ground) / np.maximum(cover, 0.25), 0, 1)
    sure = np.clip((cover - _MIXED) / (1 - _MIXED), 0, 1)  # what is mostly ground tells no colour
    colour = sure * pure + (1 - sure) * inside
    return Image.fromarray(np.rint(np.dstack([colour, cover]) * 255).astype(np.uint8))


def _core(product: Mask, strength: Pixels) -> Mask:
    """What is product alone: all far from the outline, and near it what differs most.

    The outline itself lies a little outside, where JPEG blurred the ground.

    Args:
        strength: difference from the ground: [height, width].
    """
    deep = ndimage.binary_erosion(product, iterations=2 * _BAND)
    strongest = ndimage.maximum_filter(strength, 2 * _BAND + 1)
    return deep | (product & (strength > _ALIKE / 2) & (strength >= _PURE * strongest))
