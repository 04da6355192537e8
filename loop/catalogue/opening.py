"""Products and ads of a home: rows in its database, pictures in its folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from adloom.loop.catalogue.creatives.store import CreativeStore
from adloom.loop.catalogue.pictures.store import PictureStore
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.database.opening import EMBEDDED, open_database
from adloom.loop.settings.database import DatabaseSettings
from adloom.models.text_encoder import TextEncoder

if TYPE_CHECKING:  # what loads text models takes its second; who looks products up needs none
    from adloom.loop.catalogue.neighbours import Neighbours

_FOLDER = "catalogue"


def open_neighbours(home: Path, catalogue: Catalogue) -> Neighbours:
    """The index over all products of a home's catalogue."""
    from adloom.loop.catalogue.neighbours import Neighbours

    return Neighbours(catalogue, neighbours_folder(home))


def neighbours_folder(home: Path) -> Path:
    """Where a home keeps that index."""
    return home / _FOLDER / "neighbours"


def open_catalogue(
    home: Path, text_encoder: str | None = None, database: DatabaseSettings = EMBEDDED
) -> Catalogue:
    """The catalogue of a home, made where there is none. Close it after use.

    ``text_encoder`` as in the settings: it makes the vectors of the products' texts. Raises as
    `open_database`.
    """
    engine = open_database(home, database)
    pictures = PictureStore(_private(home / _FOLDER) / "pictures")
    return Catalogue(engine, pictures, TextEncoder(text_encoder))


def open_creatives(home: Path, database: DatabaseSettings = EMBEDDED) -> CreativeStore:
    """The creatives of a home. Close them after use. Raises as `open_database`."""
    return CreativeStore(open_database(home, database), _private(home / "creatives"))


def _private(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
