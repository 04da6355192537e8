"""Where the picture of a product comes from: a file of the feed's folder, an address, a request."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from adloom.loop.catalogue.hashes import text_hash
from adloom.loop.catalogue.pictures.fetch import CannotFetch, fetch_picture
from adloom.loop.catalogue.product import Product
from adloom.loop.settings.catalogue import CatalogSettings

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class NoPicture(ValueError):
    """The picture of a product cannot be had; the message is one line and says why."""


class PictureNotTold(NoPicture):
    """Nothing is told of where the picture is."""


class PictureSource(Protocol):
    """Gives the bytes of products' pictures. Both raise NoPicture."""

    def stamp(self, product: Product) -> str:
        """Another one where the picture is another: cheap, nothing is read."""

    def content(self, product: Product) -> bytes:
        """The picture's file."""


class PictureLinks:
    """Pictures by link: files under a folder, or on one of the hosts allowed. Raises NoPicture."""

    def __init__(self, settings: CatalogSettings, folder: Path | None = None) -> None:
        """``folder`` is that of the file with the links; None where only addresses are taken."""
        self._settings = settings
        self._folder = folder and folder.resolve()
        self._folders = lru_cache(maxsize=1024)(Path.resolve)

    def stamp(self, link: str) -> str:
        """Another one where the picture is another: cheap, nothing is read."""
        if _ADDRESS.match(link):
            return text_hash(link)
        _, state = self._file(link)
        return text_hash(f"{link}/{state.st_size}/{state.st_mtime_ns}")

    def content(self, link: str) -> bytes:
        """The picture's file."""
        given = self._settings
        if _ADDRESS.match(link):
            try:
                return fetch_picture(link, hosts=given.hosts, max_bytes=given.max_picture_bytes)
            except CannotFetch as error:
                raise NoPicture(str(error)) from error
        file, state = self._file(link)
        if state.st_size > given.max_picture_bytes:
            raise NoPicture(
                f"{link} has more than {given.max_picture_bytes:,} bytes "
                "(catalog.max_picture_bytes)"
            )
        try:
            return file.read_bytes()
        except OSError as error:
            raise NoPicture(f"{link}: {error.strerror}") from error

    def _resolved(self, file: Path) -> Path:
        """Without symbolic links and ``..``; most pictures lie in few folders."""
        there = self._folders(file.parent) / file.name
        return file.resolve() if file.name == ".." or there.is_symlink() else there

    def _file(self, link: str) -> tuple[Path, os.stat_result]:
        if not link:
            raise PictureNotTold("there is none, and a picture is needed")
        if self._folder is None:
            raise NoPicture("only an https address is taken here")
        try:
            file = self._resolved(self._folder / link)
            if not file.is_relative_to(self._folder):
                raise NoPicture(f"{link} leads out of the folder of its file")
            state = file.stat()
        except FileNotFoundError as error:
            raise NoPicture(f"there is no file {link}") from error
        except (OSError, RuntimeError) as error:  # names too long, links that go round
            raise NoPicture(f"{link} cannot be opened") from error
        if not stat.S_ISREG(state.st_mode):
            raise NoPicture(f"{link} is no file")
        return file, state


class LinkedPictures:
    """Pictures at the products' ``image``: see :class:`PictureLinks`."""

    def __init__(self, settings: CatalogSettings, folder: Path | None = None) -> None:
        """``folder`` is that of the feed; None where only addresses are taken."""
        self._links = PictureLinks(settings, folder)

    def stamp(self, product: Product) -> str:
        return self._links.stamp(product.image)

    def content(self, product: Product) -> bytes:
        return self._links.content(product.image)


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
