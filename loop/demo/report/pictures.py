"""Pictures inside the page: shrunk, as data addresses, in their own proportions."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

from markupsafe import Markup
from PIL import Image, ImageEnhance, ImageFilter

_FOCUS = 0.42
"""How far out of focus what was not used is, in cells of the model's grid."""
_EDGE = 0.3
"""How soft its edge is."""
_SATURATION = 0.45


def inline_img(picture: Image.Image, width: int, alt: str, *, lazy: bool = False) -> Markup:
    """An ``img`` that is ``width`` pixels wide, or as wide as the picture where that is less."""
    small = shrunk(picture, width)
    loading = ' loading="lazy"' if lazy else ""
    return Markup(
        '<img src="{src}" width="{width}" height="{height}" alt="{alt}"' + loading + ">"
    ).format(src=inline_picture(small), width=small.width, height=small.height, alt=alt)


def shrunk(picture: Image.Image, width: int) -> Image.Image:
    """The picture, at most so wide; RGB."""
    rgb = picture.convert("RGB")
    if rgb.width <= width:
        return rgb
    height = max(1, round(rgb.height * width / rgb.width))
    return rgb.resize((width, height), Image.Resampling.LANCZOS)


def inline_picture(picture: Image.Image) -> str:
    """The picture as a data address."""
    buffer = io.BytesIO()
    picture.save(buffer, format="WEBP", quality=84, method=1)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def out_of_focus(picture: Image.Image, kept: Sequence[str]) -> Image.Image:
    """The picture, blurred where ``kept`` (rows of cells, "1" is kept) says that it was not used.

    As the studio shows it (``blur.js``); without rows it stays as it is.
    """
    if not kept or all("0" not in row for row in kept):
        return picture
    cell = picture.width / len(kept)
    grid = Image.new("L", (len(kept), len(kept)))
    grid.putdata([255 * (used == "1") for row in kept for used in row])
    used = grid.resize(picture.size, Image.Resampling.NEAREST)
    used = used.filter(ImageFilter.GaussianBlur(_EDGE * cell))
    soft = picture.filter(ImageFilter.GaussianBlur(_FOCUS * cell))
    soft = ImageEnhance.Color(soft).enhance(_SATURATION)
    return Image.composite(picture, soft, used)
