"""Products and ads of a home: rows in its database, pictures where the settings say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from adloom.loop.catalogue.creatives.store import CreativeStore
from adloom.loop.catalogue.picture_files.left_behind import pictures_left_behind
from adloom.loop.catalogue.picture_files.opening import IN_HOME, open_files
from adloom.loop.catalogue.pictures.store import PictureStore
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.database.opening import EMBEDDED, OldHome, open_database
from adloom.loop.settings.database import DatabaseSettings
from adloom.loop.settings.pictures import PicturesSettings
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


def open_pictures(
    home: Path, settings: PicturesSettings = IN_HOME, *, keep_waiting: bool = False
) -> PictureStore:
    """The pictures of a home's products and ads.

    ``keep_waiting``: what an object store does not take waits under the home; else it is refused.

    Raises:
        OldHome: `adloom migrate` has to be run before.
        PicturesAway: as everything does that is asked of the pictures.
    """
    for folder in pictures_left_behind(home, settings):
        raise OldHome(folder)
    if settings.url is None:
        _private(home / _FOLDER)
    return PictureStore(open_files(home, settings, keep_waiting=keep_waiting))


def open_catalogue(
    home: Path,
    text_encoder: str | None = None,
    database: DatabaseSettings = EMBEDDED,
    pictures: PictureStore | None = None,
) -> Catalogue:
    """The catalogue of a home, made where there is none. Close it after use.

    ``text_encoder`` as in the settings: it makes the vectors of the products' texts; ``pictures``
    are those under the home where none are given. Raises as `open_database`.
    """
    engine = open_database(home, database)
    return Catalogue(engine, pictures or open_pictures(home), TextEncoder(text_encoder))


def open_creatives(
    home: Path, database: DatabaseSettings = EMBEDDED, pictures: PictureStore | None = None
) -> CreativeStore:
    """The creatives of a home. Close them after use. As `open_catalogue`."""
    return CreativeStore(open_database(home, database), pictures or open_pictures(home))


def _private(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
