"""Where the catalogue lies under a home."""

from __future__ import annotations

from pathlib import Path

from adloom.loop.catalogue.database import open_database
from adloom.loop.catalogue.neighbours import Neighbours
from adloom.loop.catalogue.pictures.store import PictureStore
from adloom.loop.catalogue.store import Catalogue

_FOLDER = "catalogue"


def open_neighbours(home: Path, catalogue: Catalogue) -> Neighbours:
    """The index over all products of a home's catalogue."""
    return Neighbours(catalogue, home / _FOLDER / "neighbours")


def open_catalogue(home: Path) -> Catalogue:
    """The catalogue of a home, made where there is none. Close it after use."""
    folder = home / _FOLDER
    return Catalogue(open_database(folder), PictureStore(folder / "pictures"))
