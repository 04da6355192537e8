"""Cutouts that a person uploads: checked, decoded, and kept in memory for a while."""

from __future__ import annotations

import io
import secrets
import threading
import warnings
from collections import OrderedDict

from PIL import Image

from adloom.loop.catalogue.product import OnePicture, Product

FORMATS = {"image/png": "PNG", "image/webp": "WEBP"}
MAX_PIXELS = 4_000_000
_MAX_SIDE = 256  # the catalogue's own cutouts are no larger
_MIN_SIDE = 16
_KEPT = 32


class BadCutout(ValueError):
    """A picture that cannot be a cutout; the message says why."""


class Uploads:
    """The newest uploads by an id of the server's own making. Safe to use from several threads."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._products: OrderedDict[str, Product] = OrderedDict()

    def add(
        self, name: str, category: str, selling_points: tuple[str, ...], picture: Image.Image
    ) -> Product:
        """Keeps a product; the oldest one goes where there are too many."""
        upload_id = f"upload-{secrets.token_hex(8)}"
        product = Product(
            product_id=upload_id,
            name=name,
            category=category,
            selling_points=selling_points,
            cutout_name=upload_id,
            pictures=OnePicture(picture),
        )
        with self._lock:
            self._products[upload_id] = product
            while len(self._products) > self._kept:
                self._products.popitem(last=False)
        return product

    def find(self, upload_id: str) -> Product | None:
        """None for what was never uploaded, or is gone by now."""
        with self._lock:
            return self._products.get(upload_id)


def decode_cutout(content: bytes, media_type: str) -> Image.Image:
    """A product on a transparent ground: RGBA, cropped, at most 256 px a side.

    The size that the header tells is looked at before a pixel is decoded.

    Raises BadCutout.
    """
    kind = FORMATS[media_type]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=[kind]) as checked:
                _refuse_bad_size(checked)
                checked.verify()
            with Image.open(io.BytesIO(content), formats=[kind]) as picture:
                rgba = picture.convert("RGBA")
    except BadCutout:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds
        raise BadCutout(f"cannot be read as {kind}") from error
    alpha = rgba.getchannel("A")
    box = alpha.getbbox()
    if box is None:
        raise BadCutout("has nothing on it: every pixel is transparent")
    if alpha.getextrema()[0] == 255:
        raise BadCutout("has no transparent ground: cut the product out first")
    cropped = rgba.crop(box)
    cropped.thumbnail((_MAX_SIDE, _MAX_SIDE), Image.Resampling.LANCZOS)
    return cropped


def _refuse_bad_size(picture: Image.Image) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise BadCutout(f"has {width} x {height} pixels, more than {MAX_PIXELS:,}")
    if min(width, height) < _MIN_SIDE:
        raise BadCutout(f"is only {width} x {height} pixels")
    if getattr(picture, "n_frames", 1) > 1:
        raise BadCutout("is an animation: send a single picture")
