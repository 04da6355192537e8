"""Where the catalogue lies under a home."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from adloom.loop.catalogue.database import open_database
from adloom.loop.catalogue.pictures.store import PictureStore
from adloom.loop.catalogue.store import Catalogue
from adloom.models.text_encoder import TextEncoder

if TYPE_CHECKING:  # what loads text models takes its second; who looks products up needs none
    from adloom.loop.catalogue.neighbours import Neighbours

_FOLDER = "catalogue"


def open_neighbours(home: Path, catalogue: Catalogue) -> Neighbours:
    """The index over all products of a home's catalogue."""
    from adloom.loop.catalogue.neighbours import Neighbours

    return Neighbours(catalogue, home / _FOLDER / "neighbours")


def open_catalogue(home: Path, text_encoder: str | None = None) -> Catalogue:
    """The catalogue of a home, made where there is none. Close it after use.

    ``text_encoder`` as in the settings: it makes the vectors of the products' texts.
    """
    folder = home / _FOLDER
    return Catalogue(
        open_database(folder), PictureStore(folder / "pictures"), TextEncoder(text_encoder)
    )
