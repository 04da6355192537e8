"""A home that was moved or copied: what MLflow keeps of its files names the place where it lies.

MLflow notes whole paths, of each run and version. Left as they are, a copy would read and write
the files of the home that it was copied from.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from adloom.loop.learning.registry_errors import RegistryUnavailable

_PLACES = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}
"""Columns that name places, by table; releases of MLflow differ in which they have."""
_PATIENCE_SECONDS = 30.0

_log = logging.getLogger(__name__)


def follow_home(database: Path, artifacts: Path) -> None:
    """Files of a home's own MLflow lie in ``artifacts``, wherever they were when it was made.

    A database that cannot be read is left to MLflow, which tells it. Raises RegistryUnavailable
    where it cannot be written.
    """
    try:
        moved = list(_elsewhere(database, artifacts))
    except sqlite3.Error:
        return
    if not moved:
        return
    try:
        with closing(_opened(database, "rw")) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for place in moved:
                _rename(connection, place, artifacts.as_uri())
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise RegistryUnavailable(
            f"{database} tells of files in {_path(moved[0])}, where this home was before, and "
            f"cannot be changed ({error}): mend its rights, or let go of it"
        ) from error
    for place in moved:
        _log.info("%s: its files lay in %s before", database, _path(place))


def _elsewhere(database: Path, artifacts: Path) -> Iterator[str]:
    """Other homes' folders of artifacts, as this one's database names them."""
    with closing(_opened(database, "ro")) as connection:
        rows = connection.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
    for (place,) in rows:
        if place is None or place == artifacts.as_uri() or not place.startswith("file:///"):
            continue
        folder = _path(place)
        # Beside it other experiments may lie anywhere; by another path this may be the same place.
        if folder.parts[-2:] == artifacts.parts[-2:] and not _is_same(folder, artifacts):
            yield place


def _is_same(folder: Path, other: Path) -> bool:
    try:
        return folder.samefile(other)
    except OSError:
        return False


def _rename(connection: sqlite3.Connection, before: str, now: str) -> None:
    for table, columns in _PLACES.items():
        there = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        for column in there.intersection(columns):
            connection.execute(
                f"UPDATE {table} SET {column} = :now || substr({column}, length(:before) + 1) "
                f"WHERE {column} = :before OR substr({column}, 1, length(:before) + 1) = :folder",
                {"now": now, "before": before, "folder": f"{before}/"},
            )


def _path(place: str) -> Path:
    return Path(url2pathname(urlsplit(place).path))


def _opened(database: Path, mode: str) -> sqlite3.Connection:
    uri = f"{database.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=_PATIENCE_SECONDS, isolation_level=None)
