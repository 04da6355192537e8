"""Which pixels of a picture on plain ground are the product.

The ground is found from the border inwards: first a smooth surface through the colours of the
border, then the pixels like it that hang together with the border, then the surface through those.
So it may be of any colour, darken to the corners, and lie in the product's soft shadow. Holes of
just the ground's colour, as in the handle of a mug, are ground as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.color import rgb2lab

Pixels = NDArray[np.float32]
Mask = NDArray[np.bool_]

_COARSE = 64  # pixels a side at which the ground is smoothed
_LIKE = 4.5  # distance in Lab that noise and JPEG leave between pixels of one colour
_JUST_LIKE = (2.0, 4.5)  # the same, where it is found from the picture's own noise
_SEAM = 4  # pixels
_HOLE_LIKE = 3.0  # in a hole, where no border vouches for it
_ROUGH = 3.0  # deviation of the ground's lightness
_SIDE_GROUND = 0.5  # of each side of the picture
_HOLE = 0.0015  # of the picture
_SPECK = 0.01  # of the largest piece
_MAX_PIECES = 12
_FAINT = 6.0
_FAINT_RIM = 0.08  # of what lies just inside of the outline
_SHADOW_DEPTH = 50.0  # lightness
_SHADOW_SLOPE = 1.2  # lightness a pixel
_SHADOW_TINT = 4.0
_CONTACT = 0.6  # of a shadow with the ground, as a share of the root of its area


class NotPlain(ValueError):
    """The product cannot be told from what is around it; the message says why."""


@dataclass(frozen=True)
class Division:
    """Pictures of the same height and width.

    Attributes:
        product: what is the product.
        ground: colour of the ground, also where the product hides it: RGB from 0 to 1.
    """

    product: Mask
    ground: Pixels


def divide(rgb: Pixels) -> Division:
    """Tells the product from its ground.

    Args:
        rgb: from 0 to 1: [height, width, 3].

    Raises NotPlain.
    """
    lab = rgb2lab(rgb).astype(np.float32)
    seen = ndimage.gaussian_filter(lab, (0.8, 0.8, 0))
    border = _surface_through_border(seen)
    ground = _reached(_distance(seen, border) < _LIKE)
    _refuse_rough(lab, border, ground)
    for _ in range(2):
        surface = _surface_through(seen, ground)
        ground = _like(_distance(seen, surface), ground)
    # In a hole the surface is far from what it was made of; that of the border may fit better.
    off = np.minimum(_distance(seen, surface), _distance(seen, border))
    ground |= _holes(off, ground)
    shaded = _with_shadow(seen, surface, ground)
    product = _whole(~shaded)
    _refuse_unlikely(product)
    under = _surface_through(rgb, ~_grown(product, 2))
    _refuse_faint(product, _distance(lab, rgb2lab(under)))
    return Division(product, under)


def _surface_through_border(lab: Pixels) -> Pixels:
    """A quadratic surface through most of the border's pixels: [height, width, 3]."""
    height, width = lab.shape[:2]
    band = max(2, round(0.02 * min(height, width)))
    border = np.ones((height, width), dtype=bool)
    border[band:-band, band:-band] = False
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    given, colours = terms[border], lab[border]
    fitted = np.tile(np.median(colours, axis=0), (len(colours), 1))
    weights = np.zeros((6, 3))
    for near in (20.0, 10.0, 6.0, 6.0):
        chosen = np.linalg.norm(colours - fitted, axis=1) < near
        if chosen.mean() < _SIDE_GROUND:
            raise NotPlain("its ground is not plain")
        weights = np.linalg.lstsq(given[chosen], colours[chosen], rcond=None)[0]
        fitted = given @ weights
    return (terms @ weights).astype(np.float32)


def _surface_through(colours: Pixels, ground: Mask) -> Pixels:
    """The ground's colours, smoothed, and carried on to where no ground is seen."""
    height, width = ground.shape
    scale = min(1.0, _COARSE / max(height, width))
    coarse = (max(1, round(width * scale)), max(1, round(height * scale)))
    known = ground.astype(np.float32)
    weight = _resized(known, coarse)
    sums = [_resized(colours[..., channel] * known, coarse) for channel in range(3)]
    spread = np.zeros((4, *weight.shape), dtype=np.float32)
    for sigma, trust in ((1.0, 1.0), (4.0, 1e-2), (16.0, 1e-4)):  # the nearest ground counts most
        for layer, told in zip(spread, (weight, *sums), strict=True):
            layer += trust * ndimage.gaussian_filter(told, sigma)
    smooth = spread[1:] / np.maximum(spread[0], 1e-12)
    return np.dstack([_resized(layer, (width, height)) for layer in smooth])


def _resized(layer: Pixels, size: tuple[int, int]) -> Pixels:
    return np.asarray(Image.fromarray(layer).resize(size, Image.Resampling.BILINEAR))


def _distance(lab: Pixels, surface: Pixels) -> Pixels:
    return np.linalg.norm(lab - surface, axis=-1)


def _reached(passable: Mask) -> Mask:
    """The part that hangs together with the border."""
    labels, _ = ndimage.label(passable)
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    inside = np.unique(edge[edge > 0])
    return np.isin(labels, inside)


def _like(off: Pixels, before: Mask) -> Mask:
    """What hangs together with the border and is like the surface.

    What is just like it counts, and a narrow seam of what is less so: there JPEG leaves noise,
    while a product as light as its ground must not be entered through a gap in its outline.
    """
    just = float(np.clip(3 * np.median(off[before]), *_JUST_LIKE))
    return _reached(off < _LIKE) & _grown(_reached(off < just), _SEAM)


def _grown(mask: Mask, by: int) -> Mask:
    return ndimage.binary_dilation(mask, iterations=by)


def _with_shadow(lab: Pixels, surface: Pixels, ground: Mask) -> Mask:
    """The ground with what hangs together with it and is only darker, without an edge."""
    off = lab - surface
    tint = np.hypot(off[..., 1], off[..., 2])
    slope = ndimage.gaussian_gradient_magnitude(lab[..., 0], 1.0)
    soft = (off[..., 0] < 4) & (off[..., 0] > -_SHADOW_DEPTH)
    soft &= (tint < _SHADOW_TINT) & (slope < _SHADOW_SLOPE)
    passable = ndimage.binary_opening(soft | ground, iterations=2) | ground
    return ground | _fading(_reached(passable) & ~ground, ground)


def _fading(shaded: Mask, ground: Mask) -> Mask:
    """The pieces that fade into the ground along much of their side.

    A product as light as its ground touches it through a gap in its outline alone.
    """
    labels, count = ndimage.label(shaded)
    inner = shaded & ~ndimage.binary_erosion(shaded)
    touching = inner & _grown(ground, 1)
    size = np.bincount(labels.ravel(), minlength=count + 1)
    contact = np.bincount(labels[touching], minlength=count + 1)
    return np.isin(labels, np.flatnonzero(contact > _CONTACT * np.sqrt(size)))


def _holes(off: Pixels, ground: Mask) -> Mask:
    """Ground that the product surrounds: large, and of the ground's colour."""
    labels, count = ndimage.label((off < _HOLE_LIKE) & ~ground)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    large = np.flatnonzero(sizes >= _HOLE * labels.size)
    return np.isin(labels, large[large > 0])


def _whole(product: Mask) -> Mask:
    """Without specks: noise, and what JPEG leaves around edges."""
    labels, count = ndimage.label(product, structure=np.ones((3, 3)))
    if count == 0:
        return product
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    return np.isin(labels, np.flatnonzero(sizes >= max(4, _SPECK * sizes.max())))


def _refuse_rough(lab: Pixels, surface: Pixels, ground: Mask) -> None:
    sides = (ground[0], ground[-1], ground[:, 0], ground[:, -1])
    if any(side.mean() < _SIDE_GROUND for side in sides):
        raise NotPlain("its ground is not plain")
    if float(np.std((lab - surface)[ground][:, 0])) > _ROUGH:
        raise NotPlain("its ground is rough")


def _refuse_unlikely(product: Mask) -> None:
    """What cannot be a product's outline."""
    share = float(product.mean())
    if share < 0.002:
        raise NotPlain("nothing stands out from its ground")
    labels, count = ndimage.label(product)
    sizes = np.sort(np.bincount(labels.ravel(), minlength=count + 1)[1:])[::-1]
    if int(np.searchsorted(np.cumsum(sizes), 0.9 * sizes.sum())) + 1 > _MAX_PIECES:
        raise NotPlain("it falls into pieces: it is too much like its ground")


def _refuse_faint(product: Mask, off: Pixels) -> None:
    """A product that is nearly as its ground along its outline has lost pieces, most likely."""
    inside = ndimage.binary_erosion(product, iterations=2)
    rim = off[inside & ~ndimage.binary_erosion(inside, iterations=2)]
    if rim.size and float((rim < _FAINT).mean()) > _FAINT_RIM:
        raise NotPlain("it is too much like its ground")
