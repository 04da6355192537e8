"""Picture files of the kinds that shops have: turned, CMYK, 16 bit, palettes, alpha, TIFF."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

BROKEN = "kaputt.jpg"
ORIENTATION = 0x0112

TURNED = ("messerblock.jpg", "kochmesser.jpg")
CMYK = ("tischleuchte.jpg", "bodenvase.jpg")
SIXTEEN_BIT = "kaesereibe.png"
_NOTHING = 63  # the transparent entry of a palette
PALETTES = ("bento.png", "ruehrschuessel.png")


def save_photo(picture: Image.Image, path: Path) -> None:
    """Writes a photo, RGB or RGBA, as its name asks."""
    if path.name in TURNED:
        exif = Image.Exif()
        exif[ORIENTATION] = 6  # to be turned a quarter to the right by whoever shows it
        picture.transpose(Image.Transpose.ROTATE_90).save(path, quality=85, exif=exif)
    elif path.name in CMYK:
        picture.convert("CMYK").save(path, quality=85)
    elif path.name == SIXTEEN_BIT:
        path.write_bytes(_png_of_16_bits(picture.resize((240, 240))))
    elif path.name in PALETTES:
        _with_palette(picture).save(path, transparency=_NOTHING)
    elif path.suffix == ".tiff":
        picture.save(path, compression="jpeg", quality=88)
    elif path.suffix == ".webp":
        picture.save(path, quality=85, method=6)
    else:
        picture.save(path, quality=85, optimize=True)


def _with_palette(picture: Image.Image) -> Image.Image:
    """63 colours and one that is nothing."""
    done = picture.convert("RGB").quantize(_NOTHING, dither=Image.Dither.NONE)
    nothing = picture.getchannel("A").point(lambda alpha: 255 if alpha < 128 else 0)
    done.putpalette([*(done.getpalette() or [])[: 3 * _NOTHING], 255, 255, 255])
    done.paste(_NOTHING, mask=nothing)
    return done


def _png_of_16_bits(picture: Image.Image) -> bytes:
    """RGB with 16 bits each, which Pillow does not write."""
    wide = np.asarray(picture.convert("RGB")).astype(">u2") * 257
    # Each row after its "up" filter: the difference to the row above, byte by byte.
    rows = wide.view(np.uint8).reshape(picture.height, -1)
    filtered = np.diff(rows, axis=0, prepend=np.zeros_like(rows[:1]))
    data = b"".join(b"\x02" + row.tobytes() for row in filtered)
    header = struct.pack(">IIBBBBB", picture.width, picture.height, 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(data, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
