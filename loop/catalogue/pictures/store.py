"""Pictures by the hash of their bytes: WebP files that never change."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import uuid
from collections import OrderedDict
from pathlib import Path

from PIL import Image

_MOST_SIDE = 1_024
_QUALITY = 90
_IN_MEMORY = 256


class UnknownPicture(KeyError):
    """No picture of that name is kept."""

    def __str__(self) -> str:
        return f"no picture {self.args[0]!r} is kept"


class PictureStore:
    """Pictures under the SHA-256 (hex) of what is stored. For several threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        self._decoded: OrderedDict[str, Image.Image] = OrderedDict()

    def put(self, picture: Image.Image) -> str:
        """Keep a picture, RGB or RGBA, at most 1,024 px a side; returns its name."""
        data = _webp(picture)
        name = hashlib.sha256(data).hexdigest()
        path = self._path(name)
        if not path.exists():
            path.parent.mkdir(exist_ok=True, mode=0o700)
            # A reader never sees half a file: write beside it, then move into place.
            partial = path.with_suffix(f".{uuid.uuid4().hex}.partial")
            with os.fdopen(os.open(partial, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
                file.write(data)
            partial.replace(path)
        return name

    def load(self, name: str) -> Image.Image:
        """A copy of a picture. Raises UnknownPicture."""
        with self._lock:
            known = self._decoded.get(name)
            if known is not None:
                self._decoded.move_to_end(name)
                return known.copy()
        with Image.open(self.path(name), formats=["WEBP"]) as opened:
            opened.load()
            picture = opened.copy()
        with self._lock:
            self._decoded[name] = picture
            while len(self._decoded) > _IN_MEMORY:
                self._decoded.popitem(last=False)
        return picture.copy()

    def path(self, name: str) -> Path:
        """The file of a picture. Raises UnknownPicture for anything that is not kept.

        Only 64 hexadecimal digits are looked up, so no request can name another file.
        """
        if len(name) != 64 or any(c not in "0123456789abcdef" for c in name):
            raise UnknownPicture(name)
        path = self._path(name)
        if not path.exists():
            raise UnknownPicture(name)
        return path

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / f"{name}.webp"


def _webp(picture: Image.Image) -> bytes:
    """Cutouts lose nothing, whole pictures little."""
    alone = picture.mode == "RGBA"
    kept = picture if alone else picture.convert("RGB")
    if max(kept.size) > _MOST_SIDE:
        kept = kept.copy()
        kept.thumbnail((_MOST_SIDE, _MOST_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    kept.save(buffer, "WEBP", lossless=alone, quality=_QUALITY, method=4)
    return buffer.getvalue()
