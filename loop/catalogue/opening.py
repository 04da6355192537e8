"""Where the catalogue lies under a home."""

from __future__ import annotations

from pathlib import Path

from adloom.loop.catalogue.database import open_database
from adloom.loop.catalogue.pictures.store import PictureStore
from adloom.loop.catalogue.store import Catalogue


def open_catalogue(home: Path) -> Catalogue:
    """The catalogue of a home, made where there is none. Close it after use."""
    folder = home / "catalogue"
    return Catalogue(open_database(folder), PictureStore(folder / "pictures"))
