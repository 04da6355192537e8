"""Where the picture of a product comes from: a file of the feed's folder, an address, a request."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from adloom.loop.catalogue.pictures.fetch import CannotFetch, fetch_picture
from adloom.loop.catalogue.product import Product
from adloom.loop.settings.catalogue import CatalogSettings

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class NoPicture(ValueError):
    """The picture of a product cannot be had; the message is one line and says why."""


class PictureSource(Protocol):
    """Gives the bytes of products' pictures. Both raise NoPicture."""

    def stamp(self, product: Product) -> str:
        """Another one where the picture is another: cheap, nothing is read."""

    def content(self, product: Product) -> bytes:
        """The picture's file."""


class LinkedPictures:
    """Pictures at the products' ``image``: under a folder, or on one of the hosts allowed."""

    def __init__(self, settings: CatalogSettings, folder: Path | None = None) -> None:
        """``folder`` is that of the feed; None where only addresses are taken."""
        self._settings = settings
        self._folder = folder

    def stamp(self, product: Product) -> str:
        if _ADDRESS.match(product.image):
            return _hashed(product.image)
        state = self._file(product).stat()
        return _hashed(f"{product.image}/{state.st_size}/{state.st_mtime_ns}")

    def content(self, product: Product) -> bytes:
        given = self._settings
        if _ADDRESS.match(product.image):
            try:
                return fetch_picture(
                    product.image, hosts=given.hosts, max_bytes=given.max_picture_bytes
                )
            except CannotFetch as error:
                raise NoPicture(f"image_link: {error}") from error
        file = self._file(product)
        if file.stat().st_size > given.max_picture_bytes:
            raise NoPicture(
                f"image_link: {product.image} has more than {given.max_picture_bytes:,} bytes "
                "(catalog.max_picture_bytes)"
            )
        try:
            return file.read_bytes()
        except OSError as error:
            raise NoPicture(f"image_link: {product.image}: {error.strerror}") from error

    def _file(self, product: Product) -> Path:
        if not product.image:
            raise NoPicture("image_link: a product needs a picture")
        if self._folder is None:
            raise NoPicture("image_link: only an https address is taken here")
        file = (self._folder / product.image).resolve()
        if not file.is_relative_to(self._folder.resolve()):
            raise NoPicture(f"image_link: {product.image} leads out of the feed's folder")
        if not file.is_file():
            raise NoPicture(f"image_link: no file {product.image} beside the feed")
        return file


class SentPictures:
    """Pictures that came with the products, by product id; the others are looked up."""

    def __init__(self, sent: Mapping[str, bytes], otherwise: PictureSource) -> None:
        self._sent = sent
        self._otherwise = otherwise

    def stamp(self, product: Product) -> str:
        content = self._sent.get(product.product_id)
        if content is None:
            return self._otherwise.stamp(product)
        return hashlib.sha256(content).hexdigest()

    def content(self, product: Product) -> bytes:
        content = self._sent.get(product.product_id)
        return self._otherwise.content(product) if content is None else content


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
