"""WebP files in a folder: a look at their heads tells whether they are whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from adloom.loop.catalogue.hashed_files import HashedFiles
from adloom.loop.catalogue.hashes import is_hash
from adloom.loop.catalogue.picture_files.files import PicturesAway

_RIFF, _RIFF_HEAD = b"RIFF", 8  # how a WebP file begins: then the number of bytes that follow


class WebpFolder(HashedFiles):
    """Hashed files that end on `.webp`.

    A folder that was there has to stay: one that is made anew in its place, or the empty one that
    a mount leaves behind, would pass for a shop without pictures. Then all of it raises
    PicturesAway, until the folder is back.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, ".webp")
        self._seen: tuple[int, int] | None = None  # device and inode
        self._look()

    @property
    def problem(self) -> str | None:
        """Why no picture can be kept now, in one line; None: some can."""
        if (away := self._look()) is not None:
            return away
        if self._seen is not None and not os.access(self._folder, os.W_OK | os.X_OK):
            return f"no picture can be written to {self._folder}: see to its rights and its mount"
        return None

    def put(self, content: bytes) -> str:
        """Keep content. Raises PicturesAway, for a full disk too."""
        self._must_be_there()
        try:
            name = super().put(content)
        except OSError as error:
            told = f"no picture can be written to {self._folder}: {error.strerror or error}"
            raise PicturesAway(told) from error
        if self._seen is None:
            self._look()
        return name

    def read(self, name: str) -> bytes | None:
        """The content of a name; None where there is none, or it is damaged."""
        if (content := super().read(name)) is None:
            self._must_be_there()
        return content

    def has(self, name: str) -> bool:
        """Whether a picture is kept and none of its end is missing, by the file's own head.

        An import asks for every picture of a shop: it must not read all of them.
        """
        if not is_hash(name):
            return False
        try:
            with self.place(name).open("rb") as file:
                head = file.read(_RIFF_HEAD)
                size = os.fstat(file.fileno()).st_size
        except OSError:
            self._must_be_there()
            return False
        told = int.from_bytes(head[len(_RIFF) :], "little") + _RIFF_HEAD
        return head.startswith(_RIFF) and size == told

    def remove(self, name: str) -> None:
        """Nothing is kept under a name any more."""
        self._must_be_there()
        super().remove(name)

    def older(self, before: datetime) -> Iterator[list[str]]:
        """Names of pictures that were last put before a moment, folder by folder."""
        self._must_be_there()
        yield from super().older(before)

    def _must_be_there(self) -> None:
        if (away := self._look()) is not None:
            raise PicturesAway(away)

    def _look(self) -> str | None:
        """What is wrong with the folder itself; a shop has none before its first picture."""
        try:
            found = self._folder.stat()
            state = found.st_dev, found.st_ino
            # Mounted again it may be another device, and yet it holds what it held.
            if self._seen not in (None, state) and not any(self._folder.iterdir()):
                return f"the pictures in {self._folder} are gone, it is empty: mount it again"
        except FileNotFoundError:
            gone = f"the folder {self._folder} is gone: put it back, or mount it again"
            return None if self._seen is None else gone
        except OSError as error:
            return f"the pictures in {self._folder} cannot be read: {error.strerror or error}"
        self._seen = state
        return None
