"""Pixels of any kind as sRGB with 8 bits a channel."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile
from PIL.TiffImagePlugin import PHOTOMETRIC_INTERPRETATION, TiffImageFile

_WHITE_IS_ZERO = 0
_WHITES = (1.0, 255.0, 65_535.0, 4_294_967_295.0)
"""What white may be in pixels of 32 bits: the file does not tell."""
_SPACES = {"RGB": "RGB", "RGBA": "RGB", "L": "GRAY", "CMYK": "CMYK"}
"""Colour space of the profile that fits a mode."""
_TRANSPARENT = ("LA", "La", "PA", "RGBa")


def as_srgb(picture: ImageFile.ImageFile) -> Image.Image:
    """Decodes a file that was opened.

    A colour profile in it is followed; one that is damaged or of another kind is not.

    Returns:
        RGB, or RGBA where the file tells transparency; nothing else of the file is kept.
    """
    tile = picture.tile[0].args if picture.tile else None
    picture.load()
    plain = _plain_mode(picture, tile if isinstance(tile, str) else "")
    profile = picture.info.get("icc_profile")
    straight = _by_profile(plain, profile) if profile else None
    if straight is None:
        straight = plain if plain.mode in ("RGB", "RGBA") else plain.convert("RGB")
    straight.info = {}
    return straight


def _plain_mode(picture: ImageFile.ImageFile, raw: str) -> Image.Image:
    """RGB, RGBA, L or CMYK of 8 bits: what a profile can be applied to.

    Args:
        raw: Pillow's name of how the file packs its pixels.
    """
    mode = picture.mode
    key = picture.info.get("transparency")
    if mode in ("I", "F") or mode.startswith("I;16"):
        levels = _levels(picture)
        grey = Image.fromarray(np.rint(levels * 255).astype(np.uint8))
        return grey if key is None else _see_through(grey, np.asarray(picture) == key)
    if mode in ("RGB", "L") and key is not None:
        shown = np.asarray(picture).reshape(picture.height, picture.width, -1)
        return _see_through(picture, (shown == _key_shown(key, raw)).all(axis=-1))
    if mode == "LAB":
        return _converted(picture, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), "RGB")
    if mode in _SPACES:
        return picture.copy()
    return picture.convert("RGBA" if key is not None or mode in _TRANSPARENT else "RGB")


def _levels(picture: ImageFile.ImageFile) -> NDArray[np.float32]:
    """Grey of 16 or 32 bits from 0 (black) to 1 (white): [height, width]."""
    pixels = np.asarray(picture)
    if picture.mode == "I" and pixels.min() < 0:  # Pillow reads unsigned pixels as signed ones
        pixels = pixels.view(np.uint32)
    if picture.mode.startswith("I;16"):
        white = 65_535.0
    else:
        pixels = np.nan_to_num(pixels, nan=0.0, posinf=0.0, neginf=0.0)
        brightest = float(pixels.max())
        white = next((white for white in _WHITES if brightest <= white), brightest)
    levels = np.clip(pixels.astype(np.float32) / np.float32(white), 0, 1)
    inverted = (
        isinstance(picture, TiffImageFile)
        and picture.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO
    )
    return 1 - levels if inverted else levels


def _key_shown(key: int | tuple[int, ...], raw: str) -> NDArray[np.int64]:
    """The transparent colour, told in the file's own depth, as its pixels are after loading."""
    told = np.atleast_1d(np.asarray(key))
    if raw.startswith("RGB;16"):
        return told >> 8
    return told * {"L;2": 85, "L;4": 17}.get(raw, 1)


def _see_through(picture: Image.Image, nothing: NDArray[np.bool_]) -> Image.Image:
    """RGBA, with the pixels of one colour transparent."""
    made = picture.convert("RGB")
    made.putalpha(Image.fromarray(np.where(nothing, 0, 255).astype(np.uint8)))
    return made


def _by_profile(picture: Image.Image, profile: bytes) -> Image.Image | None:
    """Through the profile to sRGB; None where it is of no use."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != _SPACES[picture.mode]:
            return None
        if "sRGB" in (source.profile.profile_description or ""):
            return picture if picture.mode in ("RGB", "RGBA") else None
        to = "RGBA" if picture.mode == "RGBA" else "RGB"
        return _converted(picture, source, to)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _converted(
    picture: Image.Image,
    source: ImageCms.ImageCmsProfile,
    mode: str,
) -> Image.Image:
    """To sRGB as browsers do: white stays white, and shadows keep their drawing."""
    made = ImageCms.profileToProfile(
        picture,
        source,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode=mode,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if made is None:
        raise ImageCms.PyCMSError("nothing was converted")
    return made
