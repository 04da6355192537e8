"""Where the file of a kept picture lies."""

from __future__ import annotations

from pathlib import Path

from adloom.loop.catalogue.hashed_files import HashedFiles
from adloom.loop.catalogue.pictures.store import PictureStore


def file_of(pictures: PictureStore, name: str) -> Path:
    """Of a store in a folder."""
    webp = pictures.files.webp
    assert isinstance(webp, HashedFiles)
    path = webp.find(name)
    assert path is not None, name
    return path
