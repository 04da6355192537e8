"""What SQLite's errors say to whoever has to act: which file, what is wrong, and what to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_RIGHTS = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_AUTH,
}
_PRIMARY = 0xFF  # an extended code has the primary one in its lowest byte
_LOST_TABLES = ("no such table", "no such column")


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is at fault: its content is not a whole database of ours."""
    return _code(error) in _DAMAGED or str(error).startswith(_LOST_TABLES)


def told(file: Path, error: sqlite3.Error, remedy: str) -> str:
    """One line about a database; ``remedy`` says what brings back a damaged one."""
    code = _code(error)
    if is_damage(error):
        return f"{file} is damaged ({error}): {remedy}"
    if code == sqlite3.SQLITE_FULL:
        return f"{file} cannot grow ({error}): free some room; it goes on by itself"
    if code in _RIGHTS:
        return f"{file} cannot be opened or written ({error}): mend its rights, and its folder's"
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return f"{file} is locked by another process ({error})"
    return f"{file} cannot be used ({error})"


def damage_in(file: Path) -> str | None:
    """The first thing that is wrong with a database as a whole, which is read for it.

    None where all is well, or no file is there; else SQLite's own words. Raises sqlite3.Error.
    """
    if not file.exists():
        return None
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    finally:
        connection.close()
    return None if found == "ok" else str(found).splitlines()[-1]


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
