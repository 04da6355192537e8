"""What the catalogue keeps of a picture: the whole of it, and the product alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from adloom.loop.catalogue.pictures.cutout import Box, cut_out, flat, has_cutout, is_blank
from adloom.loop.catalogue.pictures.decode import BadPicture, decode_picture
from adloom.loop.catalogue.pictures.plain_ground import NotPlain
from adloom.loop.settings.catalogue import CatalogSettings
from adloom.models.placement import Placement, as_photographed

MAX_WHOLE_SIDE = 1_024
_SOLID = 128
_MUCH_HOLLOW = 0.2
_MOST = 0.8
"""Share of the picture that a product takes: photos are often filled, ads have a scene."""


@dataclass(frozen=True)
class Intake:
    """A picture that was taken.

    Attributes:
        whole: RGB, or RGBA where its transparency makes the cutout; at most 1,024 px a side.
        cutout: the product alone, RGBA, at most 256 px a side.
        reason: why there is no cutout.
        hint: what to look at in the cutout; "" where all seems well.
        placement: where the product lies on its ads; None stands it on the ground.
    """

    whole: Image.Image
    cutout: Image.Image | None
    reason: str | None
    hint: str = ""
    placement: Placement | None = None


def take_in(content: bytes, settings: CatalogSettings) -> Intake:
    """From the bytes of a picture's file to what is kept.

    Raises BadPicture, and MissingExtra where the settings ask for a model that is not installed.
    """
    picture = decode_picture(
        content, max_bytes=settings.max_picture_bytes, max_pixels=settings.max_picture_pixels
    )
    if is_blank(picture):
        raise BadPicture("the picture has nothing on it: every pixel is transparent")
    cutout, placement, reason = None, None, None
    try:
        found = cut_out(picture, settings.cutout)
        cutout = found.picture
        if settings.placement == "photo":
            placement = _as_shown_whole(found.box, picture.size)
    except NotPlain as error:
        reason = str(error)
    whole = picture if has_cutout(picture) else flat(picture)
    whole.thumbnail((MAX_WHOLE_SIDE, MAX_WHOLE_SIDE), Image.Resampling.LANCZOS)
    hint = "" if cutout is None or has_cutout(picture) else _hollow(cutout)
    return Intake(whole, cutout, reason, hint, placement)


def _as_shown_whole(box: Box, photo: tuple[int, int]) -> Placement:
    """Where the product lies when its photo is shown whole on a square, in its own shape."""
    wide, high = photo
    side = max(photo)
    across, down = (side - wide) / 2, (side - high) / 2
    left, right = (min(max(edge, 0), wide) + across for edge in box[::2])
    top, bottom = (min(max(edge, 0), high) + down for edge in box[1::2])
    ratio = max(right - left, bottom - top) / side
    return as_photographed((left, top, right, bottom), (side, side), min(ratio, _MOST))


def _hollow(cutout: Image.Image) -> str:
    """A ring is hollow, and so is a white mug on white once its body is taken for ground."""
    solid = np.asarray(cutout.getchannel("A")) > _SOLID
    filled = ndimage.binary_fill_holes(solid)
    share = 1 - solid.sum() / max(1, filled.sum())
    if share < _MUCH_HOLLOW:
        return ""
    return (
        f"{share:.0%} of it is like the ground and was taken for a hole: look at its ads, or send "
        "the picture with transparency"
    )
