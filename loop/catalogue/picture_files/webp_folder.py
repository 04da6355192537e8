"""WebP files in a folder: a look at their heads tells whether they are whole."""

from __future__ import annotations

import os
from pathlib import Path

from adloom.loop.catalogue.hashed_files import HashedFiles
from adloom.loop.catalogue.hashes import is_hash

_RIFF, _RIFF_HEAD = b"RIFF", 8  # how a WebP file begins: then the number of bytes that follow


class WebpFolder(HashedFiles):
    """Hashed files that end on `.webp`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, ".webp")

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
            return False
        told = int.from_bytes(head[len(_RIFF) :], "little") + _RIFF_HEAD
        return head.startswith(_RIFF) and size == told
