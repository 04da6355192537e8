"""From the bytes that a shop has to a picture, or to words that say why there is none.

Pillow's plugins are opened by themselves, not by ``Image.open``: that one warns of large headers
by itself, reads a phone's JPEG with a gain map as a stack of pictures, and loads every format that
Pillow knows. Nothing here changes Pillow's globals: other threads decode at the same time.
"""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import ExifTags, Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from adloom.loop.catalogue.pictures.colours import as_srgb

MIN_SIDE = 16
_MAX_PROFILE = 4 << 20  # profiles of printing presses have 0.5 to 3 MiB
_MAX_EXIF = 1 << 20
_MAX_SCANS = 100
"""Of a progressive JPEG, each of which costs a pass over all blocks; encoders write about ten."""

_Opener = Callable[[io.BytesIO], ImageFile.ImageFile]
_FORMATS: tuple[tuple[tuple[bytes, ...], str, _Opener], ...] = (
    ((b"\xff\xd8\xff",), "JPEG", JpegImageFile),
    ((b"\x89PNG\r\n\x1a\n",), "PNG", PngImageFile),
    ((b"RIFF",), "WebP", WebPImageFile),
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF", TiffImageFile),
)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by its EXIF orientation."""


class BadPicture(ValueError):
    """Bytes that are no picture which adloom takes; the message is one line that says why."""


def decode_picture(content: bytes, *, max_bytes: int, max_pixels: int) -> Image.Image:
    """The picture in the bytes of a JPEG, PNG, WebP or TIFF file; their name does not matter.

    Size, metadata and number of pictures are looked at before a pixel is decoded.

    Args:
        max_bytes: of the file.
        max_pixels: width times height.

    Returns:
        RGB, or RGBA where the file tells transparency: sRGB, 8 bit, upright, at least 16 px a side.

    Raises BadPicture, whatever the bytes are.
    """
    if len(content) > max_bytes:
        raise BadPicture(f"the picture's file is larger than {max_bytes:,} bytes")
    name, opener = _format(content)
    try:
        with opener(io.BytesIO(content)) as checked:
            _refuse_unfit(checked, content, max_pixels)
            checked.verify()
        with opener(io.BytesIO(content)) as picture:
            return _upright(as_srgb(picture), picture)
    except BadPicture:
        raise
    except Exception as error:  # decoders raise many kinds
        raise BadPicture(
            f"the {name} picture cannot be read: it is damaged or cut short"
        ) from error


def _format(content: bytes) -> tuple[str, _Opener]:
    if not content:
        raise BadPicture("the picture's file is empty")
    for beginnings, name, opener in _FORMATS:
        if content.startswith(beginnings) and (name != "WebP" or content[8:12] == b"WEBP"):
            return name, opener
    raise BadPicture("this is no picture of a known kind: send JPEG, PNG, WebP or TIFF")


def _refuse_unfit(picture: ImageFile.ImageFile, content: bytes, max_pixels: int) -> None:
    """What the headers alone tell."""
    width, height = picture.size
    if width * height > max_pixels:
        raise BadPicture(f"the picture has {width} x {height} pixels, more than {max_pixels:,}")
    if min(width, height) < MIN_SIDE:
        raise BadPicture(
            f"the picture has only {width} x {height} pixels, and needs {MIN_SIDE} a side"
        )
    if getattr(picture, "is_animated", False):
        raise BadPicture("the file holds several pictures (an animation, or pages): send one")
    if len(picture.info.get("icc_profile") or b"") > _MAX_PROFILE:
        raise BadPicture(f"the picture's colour profile is larger than {_MAX_PROFILE:,} bytes")
    if len(picture.info.get("exif") or b"") > _MAX_EXIF:
        raise BadPicture(f"the picture's EXIF data is larger than {_MAX_EXIF:,} bytes")
    if isinstance(picture, JpegImageFile) and content.count(b"\xff\xda") > _MAX_SCANS:
        raise BadPicture(f"the JPEG picture has more than {_MAX_SCANS} scans")


def _upright(picture: Image.Image, file: ImageFile.ImageFile) -> Image.Image:
    """Turned as the file's EXIF data says. Pillow itself turns TIFF while it loads."""
    told = file.info.get("exif")
    if isinstance(file, TiffImageFile) or not told:
        return picture
    exif = Image.Exif()
    try:
        exif.load(told)
        turn = _TURNS.get(exif.get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged EXIF data spoils no picture
        return picture
    return picture if turn is None else picture.transpose(turn)
