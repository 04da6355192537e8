"""Pictures of the shop's own ads: looked at cheaply, and made as they are kept."""

from __future__ import annotations

import hashlib
import os
import threading

from PIL import Image

from adloom.loop.catalogue.intake.creatives.feeds import Picture
from adloom.loop.catalogue.intake.picture_sources import PictureLinks
from adloom.loop.catalogue.pictures.decode import decode_picture
from adloom.loop.settings.catalogue import CatalogSettings

MOST_SIDE = 512
"""Pixels, as of the ads that adloom draws."""


class CreativePictures:
    """Finds the pictures of rows. For several threads at once, of which few decode."""

    def __init__(self, settings: CatalogSettings, links: PictureLinks) -> None:
        self._settings = settings
        self._links = links
        # A picture of 40 million pixels takes some 300 MB while it is made smaller.
        self._decoding = threading.BoundedSemaphore(os.cpu_count() or 1)

    def stamp(self, picture: Picture) -> str:
        """Another one where the picture is another; "" for none. Raises NoPicture."""
        if isinstance(picture, Image.Image):
            return fingerprint(picture)
        return self._links.stamp(picture) if picture else ""

    def kept(self, picture: Picture) -> Image.Image:
        """The picture as it is kept: RGB, at most 512 px a side, in its own shape.

        Raises NoPicture, BadPicture.
        """
        if isinstance(picture, Image.Image):
            return _as_kept(picture.copy())
        given = self._settings
        content = self._links.content(picture)
        with self._decoding:
            return _as_kept(
                decode_picture(
                    content,
                    max_bytes=given.max_picture_bytes,
                    max_pixels=given.max_picture_pixels,
                )
            )


def fingerprint(picture: Image.Image) -> str:
    """A hash of the pixels, whatever file they came in."""
    digest = hashlib.sha256(f"{picture.mode}/{picture.size}/".encode())
    digest.update(picture.tobytes())
    return digest.hexdigest()


def _as_kept(picture: Image.Image) -> Image.Image:
    """It is changed on the way."""
    if max(picture.size) > MOST_SIDE:
        # Transparent pixels have colours too: Pillow premultiplies them while it resizes.
        picture.thumbnail((MOST_SIDE, MOST_SIDE), Image.Resampling.LANCZOS)
    if picture.mode == "RGB":
        return picture
    white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")
