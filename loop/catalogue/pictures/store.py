"""Pictures by the hash of their bytes: files that never change."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from PIL import Image

from adloom.loop.catalogue.hashed_files import HashedFiles
from adloom.loop.catalogue.picture_files.opening import PictureFiles
from adloom.loop.catalogue.picture_files.webp_folder import WebpFolder

_MOST_SIDE = 1_024
_QUALITY = 88
_CUTOUT_SIDE = 256  # pictures with transparency up to it lose nothing
_IN_MEMORY = 64 << 20  # bytes of decoded pictures

Kind = Literal["webp", "png"]


@dataclass(frozen=True)
class PictureFile:
    """The bytes of a kept picture: new ones are WebP, ads of earlier releases PNG."""

    content: bytes
    kind: Kind


class UnknownPicture(KeyError):
    """No picture of that name is kept, or its file is damaged."""

    def __str__(self) -> str:
        return f"no picture {self.args[0]!r} is kept, or its file is damaged"


class PictureStore:
    """Pictures under the SHA-256 (hex) of what is stored. For several threads and processes.

    All of it raises PicturesAway while the place of the files cannot be used.
    """

    def __init__(self, files: PictureFiles) -> None:
        self.files = files
        self._lock = threading.Lock()
        self._decoded: OrderedDict[str, Image.Image] = OrderedDict()
        self._held = 0

    @classmethod
    def in_folder(cls, folder: Path) -> PictureStore:
        """Of one folder."""
        return cls(PictureFiles(WebpFolder(folder), HashedFiles(folder, ".png")))

    def put(self, picture: Image.Image, *, lossless: bool = False) -> str:
        """Keep a picture, RGB or RGBA, at most 1,024 px a side; returns its name.

        Cutouts lose nothing, whole pictures little, and nothing where ``lossless`` asks for it.
        """
        return self.files.webp.put(_webp(picture, lossless))

    def load(self, name: str) -> Image.Image:
        """A copy of a picture. Raises UnknownPicture, for a file that is damaged as well."""
        with self._lock:
            known = self._decoded.get(name)
            if known is not None:
                self._decoded.move_to_end(name)
                return known.copy()
        picture = self.decoded(name)
        self._hold(name, picture)
        return picture.copy()

    def decoded(self, name: str) -> Image.Image:
        """The same, and nothing of it stays in memory: for what is looked at once."""
        content = io.BytesIO(self.file(name).content)
        try:
            with Image.open(content, formats=["WEBP", "PNG"]) as opened:
                opened.load()
                return opened.copy()
        except (OSError, ValueError) as error:
            raise UnknownPicture(name) from error

    def file(self, name: str) -> PictureFile:
        """The bytes of a picture. Raises UnknownPicture for anything that is not kept whole."""
        if (content := self.files.webp.read(name)) is not None:
            return PictureFile(content, "webp")
        if (content := self.files.png.read(name)) is not None:
            return PictureFile(content, "png")
        raise UnknownPicture(name)

    def has(self, name: str) -> bool:
        """Whether a picture is kept, by a look that does not read it."""
        return self.kind(name) is not None

    def kind(self, name: str) -> Kind | None:
        """What is kept of a name, by such a look; None: nothing."""
        if self.files.webp.has(name):
            return "webp"
        return "png" if self.files.png.has(name) else None

    def remove(self, name: str) -> None:
        """No picture is kept under a name any more. Raises PicturesAway."""
        self.files.webp.remove(name)
        self.files.png.remove(name)
        with self._lock:
            if (picture := self._decoded.pop(name, None)) is not None:
                self._held -= _bytes(picture)

    def older(self, before: datetime) -> Iterator[list[str]]:
        """Names of pictures that were last put before a moment, some at a time.

        All that are kept are listed, in no order.
        """
        yield from self.files.webp.older(before)
        yield from self.files.png.older(before)

    def let_go(self) -> None:
        """What was read stays in memory no longer: another process may have removed it."""
        self.files.webp.let_go()
        self.files.png.let_go()
        with self._lock:
            self._decoded.clear()
            self._held = 0

    def public_url(self, name: str, kind: Kind) -> str | None:
        """Where everybody may fetch a picture; None where the server itself has to send it."""
        files = self.files
        if files.public_url is None or (files.waiting and files.waiting.is_waiting(name)):
            return None
        return f"{files.public_url}/{name[:2]}/{name}.{kind}"

    def _hold(self, name: str, picture: Image.Image) -> None:
        with self._lock:
            if name in self._decoded:  # another thread was faster
                return
            self._decoded[name] = picture
            self._held += _bytes(picture)
            while self._held > _IN_MEMORY:
                _, oldest = self._decoded.popitem(last=False)
                self._held -= _bytes(oldest)


def png_bytes(picture: Image.Image) -> bytes:
    """The picture as PNG. Level 6 costs little and 512 px stays under about 400 KB."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def _bytes(picture: Image.Image) -> int:
    return 4 * picture.width * picture.height  # Pillow gives RGB four bytes as well


def _webp(picture: Image.Image, lossless: bool) -> bytes:
    kept = picture if picture.mode == "RGBA" else picture.convert("RGB")
    if max(kept.size) > _MOST_SIDE:
        kept = kept.copy()
        kept.thumbnail((_MOST_SIDE, _MOST_SIDE), Image.Resampling.LANCZOS)
    cutout = kept.mode == "RGBA" and max(kept.size) <= _CUTOUT_SIDE
    buffer = io.BytesIO()
    if lossless and not cutout:  # a shop has many: a twelfth of the time for a quarter more bytes
        kept.save(buffer, "WEBP", lossless=True, quality=0, method=0)
    else:  # method 2 takes half as long again for a tenth fewer bytes
        kept.save(buffer, "WEBP", lossless=cutout, quality=_QUALITY, method=1)
    return buffer.getvalue()
