"""How the database of a home is opened: new ones are made, others have to be of this release."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from adloom.loop.database.postgres import postgres_engine
from adloom.loop.database.revision import make_ready
from adloom.loop.database.sqlite import database_file, sqlite_engine
from adloom.loop.settings.database import DatabaseSettings

EMBEDDED = DatabaseSettings()
"""SQLite under the home."""


class OldHome(RuntimeError):
    """A home keeps things where an earlier release, or other settings, had them."""

    def __init__(self, file: Path) -> None:
        super().__init__(
            f"{file} is not taken over yet: stop what runs on this home, then adloom migrate"
        )


def open_database(home: Path, settings: DatabaseSettings = EMBEDDED) -> Engine:
    """The database of a home, with its tables. For several threads and processes at once.

    Raises:
        OldHome: `adloom migrate` has to be run before.
        OtherRevision: it is of another release.
        DatabaseUnusable: as everything does that is asked of the engine.
    """
    for file in left_behind(home, settings):
        raise OldHome(file)
    engine = bare_engine(home, settings)
    try:
        make_ready(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def bare_engine(home: Path, settings: DatabaseSettings) -> Engine:
    """The engine of a home's database, as it is."""
    if settings.url is None:
        return sqlite_engine(database_file(home))
    return postgres_engine(settings)


def left_behind(home: Path, settings: DatabaseSettings) -> list[Path]:
    """Files of the home that the database has not taken over, in the order to do so."""
    files = [home / "catalogue" / "catalogue.db", home / "creatives" / "creatives.db"]
    if settings.url is not None:
        files.insert(0, database_file(home))
    return [file for file in files if file.exists()]
