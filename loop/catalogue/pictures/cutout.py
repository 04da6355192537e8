"""A picture of the product alone, where one can be had."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from adloom.loop.catalogue.pictures.by_model import by_model
from adloom.loop.catalogue.pictures.edges import soften
from adloom.loop.catalogue.pictures.plain_ground import Mask, NotPlain, Pixels, divide

Method = Literal["plain", "rembg", "off"]
Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels."""

MAX_SIDE = 256
_WORKING_SIDE = 512  # twice the side of what comes of it
_NOTHING = 10  # alpha below it, of 255
_CUT = 0.02
"""Share of transparent pixels from which transparency is taken for a cutout. Rounded corners and a
torn edge stay below it; products that fill their picture with less around them are rare."""
_OPAQUE = 250  # alpha from it, of 255
_BOX = 0.9  # of its own box that a photo fills, even with round corners; few products do
_RIM = 2  # pixels
_WHITE = 250  # of 255: the ground of studios, but hardly the shaded edge of a white product
_WHITE_RIM = 0.98
_MIN_SIDE = 16
_LEFT = (0.002, 0.98)  # of the picture: what a model may say is the product
_CLOSE = 0.6  # of the picture's side: a product smaller than this is looked at from nearer
_MARGIN = 0.12  # of the product's side


@dataclass(frozen=True)
class Cutout:
    """The product on nothing.

    Attributes:
        picture: RGBA, cropped to the product.
        box: where it lies in what it was cut out of.
    """

    picture: Image.Image
    box: Box

    def within(self, left: float, top: float, scale: float = 1.0) -> Cutout:
        """As cut out of a whole: what was looked at begins there, and is ``scale`` as large."""
        x, y, right, bottom = (edge / scale for edge in self.box)
        return replace(self, box=(left + x, top + y, left + right, top + bottom))


def cut_out(picture: Image.Image, method: Method) -> Cutout:
    """The product on nothing, by the picture's transparency, else by the method.

    Args:
        picture: RGB or RGBA.

    Returns:
        It at most 256 px a side, and its box in ``picture``.

    Raises NotPlain where the product cannot be told from what is around it, and MissingExtra where
    the method is not installed.
    """
    if has_cutout(picture):
        found = _by_alpha(picture)
        if _is_white_box(found.picture):
            inside = _by_method(flat(found.picture), method)
            found = inside.within(found.box[0], found.box[1])
    else:
        found = _by_method(flat(picture), method)
    cropped = found.picture
    if max(cropped.size) < _MIN_SIDE:
        raise NotPlain(f"it has only {cropped.width} x {cropped.height} pixels in the picture")
    # Pillow weighs colours by their alpha where it makes such a picture smaller: no fringe comes.
    cropped.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    return found


def has_cutout(picture: Image.Image) -> bool:
    """True where the picture's transparency leaves the product alone."""
    return picture.mode == "RGBA" and float((_alpha(picture) < _NOTHING).mean()) >= _CUT


def is_blank(picture: Image.Image) -> bool:
    """True where every pixel is transparent."""
    return picture.mode == "RGBA" and not (_alpha(picture) >= _NOTHING).any()


def flat(picture: Image.Image) -> Image.Image:
    """RGB: what shines through is white, as on a shop's page."""
    if picture.mode == "RGB":
        return picture
    page = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(page, picture).convert("RGB")


def _by_alpha(picture: Image.Image) -> Cutout:
    if is_blank(picture):
        raise NotPlain("every pixel of it is transparent")
    seen = _alpha(picture) >= _NOTHING
    return _cropped(Image.fromarray(np.where(seen[..., None], np.asarray(picture), np.uint8(0))))


def _is_white_box(cropped: Image.Image) -> bool:
    """Whether what is not transparent is a photo on white: padded, or with its corners rounded."""
    opaque = _alpha(cropped) >= _OPAQUE
    if opaque.mean() < _BOX:
        return False
    inside = ndimage.binary_erosion(opaque, iterations=_RIM)
    rim = np.asarray(cropped.convert("RGB"))[opaque & ~inside]
    return float((rim >= _WHITE).all(axis=-1).mean()) >= _WHITE_RIM


def _alpha(picture: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(picture.getchannel("A"))


def _cropped(picture: Image.Image) -> Cutout:
    alpha = _alpha(picture) >= _NOTHING
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    box = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    return Cutout(picture.crop(box), box)


def _by_method(picture: Image.Image, method: Method) -> Cutout:
    if method == "off":
        raise NotPlain("it has no transparency, and [catalog] cutout is off")
    if method == "plain":
        return _by_plain_ground(picture)
    made = by_model(picture)
    if not _LEFT[0] <= float((_alpha(made) >= _NOTHING).mean()) <= _LEFT[1]:
        raise NotPlain("the model finds no product in it")
    return _by_alpha(made)


def _by_plain_ground(picture: Image.Image) -> Cutout:
    scale, rgb = _small(picture)
    division = divide(rgb)
    closer = _closer_box(picture, scale, division.product)
    if closer is not None:
        try:
            nearer, detail = _small(picture.crop(closer))
            return _cropped(soften(detail, divide(detail))).within(closer[0], closer[1], nearer)
        except NotPlain:
            pass
    return _cropped(soften(rgb, division)).within(0, 0, scale)


def _small(picture: Image.Image) -> tuple[float, Pixels]:
    """At the working size: its share of the picture's, and RGB from 0 to 1."""
    scale = min(1.0, _WORKING_SIDE / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    small = picture if scale == 1 else picture.resize(size, Image.Resampling.LANCZOS)
    return scale, np.asarray(small, dtype=np.float32) / np.float32(255)


def _closer_box(
    picture: Image.Image, scale: float, product: Mask
) -> tuple[int, int, int, int] | None:
    """Around a product that fills little of a large picture; None where nothing is gained."""
    rows, columns = np.flatnonzero(product.any(axis=1)), np.flatnonzero(product.any(axis=0))
    side = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    if scale == 1 or side > _CLOSE * _WORKING_SIDE:
        return None
    margin = _MARGIN * side
    left, top = columns[0] - margin, rows[0] - margin
    right, bottom = columns[-1] + 1 + margin, rows[-1] + 1 + margin
    return (
        max(0, int(left / scale)),
        max(0, int(top / scale)),
        min(picture.width, int(right / scale)),
        min(picture.height, int(bottom / scale)),
    )
