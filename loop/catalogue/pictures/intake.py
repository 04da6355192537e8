"""What the catalogue keeps of a picture: the whole of it, and the product alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from adloom.loop.catalogue.pictures.cutout import cut_out, flat, has_cutout, is_blank
from adloom.loop.catalogue.pictures.decode import BadPicture, decode_picture
from adloom.loop.catalogue.pictures.plain_ground import NotPlain
from adloom.loop.settings.catalogue import CatalogSettings

MAX_WHOLE_SIDE = 1_024
_SOLID = 128
_MUCH_HOLLOW = 0.2


@dataclass(frozen=True)
class Intake:
    """A picture that was taken.

    Attributes:
        whole: RGB, or RGBA where its transparency makes the cutout; at most 1,024 px a side.
        cutout: the product alone, RGBA, at most 256 px a side.
        reason: why there is no cutout.
        hint: what to look at in the cutout; "" where all seems well.
    """

    whole: Image.Image
    cutout: Image.Image | None
    reason: str | None
    hint: str = ""


def take_in(content: bytes, settings: CatalogSettings) -> Intake:
    """From the bytes of a picture's file to what is kept.

    Raises BadPicture, and MissingExtra where the settings ask for a model that is not installed.
    """
    picture = decode_picture(
        content, max_bytes=settings.max_picture_bytes, max_pixels=settings.max_picture_pixels
    )
    if is_blank(picture):
        raise BadPicture("the picture has nothing on it: every pixel is transparent")
    cutout, reason = None, None
    try:
        cutout = cut_out(picture, settings.cutout)
    except NotPlain as error:
        reason = str(error)
    whole = picture if has_cutout(picture) else flat(picture)
    whole.thumbnail((MAX_WHOLE_SIDE, MAX_WHOLE_SIDE), Image.Resampling.LANCZOS)
    hint = "" if cutout is None or has_cutout(picture) else _hollow(cutout)
    return Intake(whole, cutout, reason, hint)


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
