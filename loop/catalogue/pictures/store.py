"""Pictures by the hash of their bytes: WebP files that never change."""

from __future__ import annotations

import io
import os
import threading
from collections import OrderedDict
from pathlib import Path

from PIL import Image

from adloom.loop.catalogue.hashed_files import HashedFiles

_MOST_SIDE = 1_024
_QUALITY = 90
_CUTOUT_SIDE = 256  # pictures with transparency up to it lose nothing
_RIFF, _RIFF_HEAD = b"RIFF", 8  # how a WebP file begins: then the number of bytes that follow
_IN_MEMORY = 64 << 20  # bytes of decoded pictures


class UnknownPicture(KeyError):
    """No picture of that name is kept, or its file is damaged."""

    def __str__(self) -> str:
        return f"no picture {self.args[0]!r} is kept, or its file is damaged"


class PictureStore:
    """Pictures under the SHA-256 (hex) of what is stored. For several threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._files = HashedFiles(folder, ".webp")
        self._lock = threading.Lock()
        self._decoded: OrderedDict[str, Image.Image] = OrderedDict()
        self._held = 0

    def put(self, picture: Image.Image) -> str:
        """Keep a picture, RGB or RGBA, at most 1,024 px a side; returns its name."""
        return self._files.put(_webp(picture))

    def load(self, name: str) -> Image.Image:
        """A copy of a picture. Raises UnknownPicture, for a file that is damaged as well."""
        with self._lock:
            known = self._decoded.get(name)
            if known is not None:
                self._decoded.move_to_end(name)
                return known.copy()
        try:
            with Image.open(self.path(name), formats=["WEBP"]) as opened:
                opened.load()
                picture = opened.copy()
        except (OSError, ValueError) as error:
            raise UnknownPicture(name) from error
        self._hold(name, picture)
        return picture.copy()

    def has(self, name: str) -> bool:
        """Whether a picture is kept and none of its end is missing, by the file's own head.

        An import asks for every picture of a shop: it must not read all of them.
        """
        try:
            with self._files.place(name).open("rb") as file:
                head = file.read(_RIFF_HEAD)
                size = os.fstat(file.fileno()).st_size
        except OSError:
            return False
        told = int.from_bytes(head[len(_RIFF) :], "little") + _RIFF_HEAD
        return head.startswith(_RIFF) and size == told

    def path(self, name: str) -> Path:
        """The file of a picture. Raises UnknownPicture for anything that is not kept whole."""
        path = self._files.find(name)
        if path is None:
            raise UnknownPicture(name)
        return path

    def _hold(self, name: str, picture: Image.Image) -> None:
        with self._lock:
            if name in self._decoded:  # another thread was faster
                return
            self._decoded[name] = picture
            self._held += _bytes(picture)
            while self._held > _IN_MEMORY:
                _, oldest = self._decoded.popitem(last=False)
                self._held -= _bytes(oldest)


def _bytes(picture: Image.Image) -> int:
    return 4 * picture.width * picture.height  # Pillow gives RGB four bytes as well


def _webp(picture: Image.Image) -> bytes:
    """Cutouts lose nothing, whole pictures little."""
    kept = picture if picture.mode == "RGBA" else picture.convert("RGB")
    if max(kept.size) > _MOST_SIDE:
        kept = kept.copy()
        kept.thumbnail((_MOST_SIDE, _MOST_SIDE), Image.Resampling.LANCZOS)
    cutout = kept.mode == "RGBA" and max(kept.size) <= _CUTOUT_SIDE
    buffer = io.BytesIO()
    kept.save(buffer, "WEBP", lossless=cutout, quality=_QUALITY, method=4)
    return buffer.getvalue()
