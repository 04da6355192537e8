"""Whether the SQLite file of a home can be used: damaged, removed, or put back meanwhile."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from adloom.feature_store.sqlite_errors import damage_in, is_damage, told
from adloom.loop.database.health import DatabaseUnusable

REMEDY = (
    "put a copy back, or remove it with its -wal and -shm and import products and creatives again "
    "(adloom catalog import)"
)
_CHECK_EVERY_SECONDS = 5.0  # a damaged file is looked through, which takes its time


class FileHealth:
    """Watches one file. Safe to use from several threads."""

    def __init__(self, file: Path, reopen: Callable[[], None]) -> None:
        """``reopen`` lets go of all connections; who asks next opens the file that is there now."""
        self._file = file
        self._reopen = reopen
        self._lock = threading.Lock()
        self._identity = _identity(file)
        self._damage: str | None = None  # met by somebody, and not seen to be mended
        self._look_at = 0.0

    def unusable(self, error: BaseException) -> DatabaseUnusable | None:
        """What to raise in the place of an error of SQLite; damage is remembered."""
        if not isinstance(error, sqlite3.Error) or isinstance(error, sqlite3.IntegrityError):
            return None
        if not self._file.exists():
            return DatabaseUnusable(self._gone)
        line = told(self._file, error, REMEDY)
        if is_damage(error):
            self._damage, self._look_at = line, time.monotonic() + _CHECK_EVERY_SECONDS
        return DatabaseUnusable(line)

    def problem(self, probe: Callable[[], object]) -> str | None:
        """What is wrong with the file now, in one line; ``probe`` asks it something small.

        A file that was put in the place of another is opened; a damaged one is looked through.
        """
        with self._lock:
            now = _identity(self._file)
            if now is None:
                self._let_go()
                return self._gone
            try:
                if now != self._identity:
                    self._take(now)
                elif self._damage is not None and self._is_damaged_still(now):
                    return self._damage
                probe()
            except DatabaseUnusable as error:
                return str(error)
            except sqlite3.Error as error:
                return str(self.unusable(error) or error)
            return None

    @property
    def _gone(self) -> str:
        return f"{self._file} is gone: {REMEDY}"

    def _let_go(self) -> None:
        """What is still open is a file that nobody else sees, and is lost at the end."""
        if self._identity is not None:
            self._identity = None
            self._reopen()

    def _take(self, identity: tuple[int, int]) -> None:
        self._identity, self._damage = identity, None
        self._reopen()

    def _is_damaged_still(self, identity: tuple[int, int]) -> bool:
        if time.monotonic() < self._look_at:
            return True
        if damage_in(self._file) is None:
            self._take(identity)
            return False
        self._look_at = time.monotonic() + _CHECK_EVERY_SECONDS
        return True


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
