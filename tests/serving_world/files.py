"""Files of a home, damaged and mended under a running server."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from adloom.feature_store.store import ContendedPartition
from adloom.loop import home
from adloom.loop.database.sqlite import database_file
from adloom.loop.settings import Settings
from tests.damage import Damage, a_text, emptied, in_the_middle
from tests.serving_world.adapters import WEIGHTS

DAMAGE: dict[str, Damage] = {damage.__name__: damage for damage in (a_text, emptied, in_the_middle)}


class Database:
    """That of a home: damaged, then mended by a copy."""

    def __init__(self, settings: Settings) -> None:
        self._file = database_file(settings.home)
        self._copy = self._file.with_name("copy")

    def damage(self, how: str) -> None:
        _all_in_one_file(self._file)
        shutil.copy(self._file, self._copy)
        DAMAGE[how](self._file)

    def mend(self) -> None:
        for ending in ("-wal", "-shm"):
            self._file.with_name(self._file.name + ending).unlink(missing_ok=True)
        self._copy.replace(self._file)


class OnlineStore:
    """The SQLite file of the features: damaged, then made anew from the log."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._file = settings.home / "features" / "online.db"

    def damage(self, how: str) -> None:
        _all_in_one_file(self._file)
        DAMAGE[how](self._file)

    def mend(self) -> None:
        rebuilt(self._settings)


def rebuilt(settings: Settings) -> None:
    """Features made anew from the log, again where a consumer wrote meanwhile."""
    with home.open_features(settings) as features:
        for _ in range(20):
            with suppress(ContendedPartition):
                list(features.rebuild(features.log.batches()))
                return
            time.sleep(0.2)
    raise TimeoutError("consumers wrote at every try")


def cut_off_kept_adapters(settings: Settings) -> None:
    """Half of every adapter that was fetched."""
    for file in (settings.home / "mlflow" / "adapters").glob(f"*/{WEIGHTS}"):
        os.truncate(file, file.stat().st_size // 2)


def _all_in_one_file(file: Path) -> None:
    with closing(sqlite3.connect(file, timeout=20)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
