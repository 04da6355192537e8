"""A row that cannot be read costs its shopper the history, and is told until it can be."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from adloom.feature_store.event_log import LoggedEvent
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from adloom.loop.serving.histories import Histories


def test_a_damaged_row_is_told_until_it_is_mended(tmp_path: Path) -> None:
    with FeatureStore.open(FeatureStoreSettings(), tmp_path) as features:
        features.apply([LoggedEvent("click", "c", datetime.now(UTC), "ann", "tea", "t", 0, 0)])
        histories = Histories(features)
        assert histories.read(["ann"])
        whole = rows(tmp_path)
        write(tmp_path, [(b"no row", *key) for _, *key in whole])
        assert histories.read(["ann"]) is None
        for _ in range(2):
            histories.look()
            assert "damaged" in (histories.problem or "")
            assert histories.read(["bob"])  # others have theirs
        write(tmp_path, whole)
        histories.look()
        assert histories.problem is None
        assert histories.read(["ann"])


def rows(folder: Path) -> list[tuple[bytes, ...]]:
    """Values of histories, each with its key and name."""
    with closing(sqlite3.connect(folder / "online.db")) as database:
        query = "SELECT value, entity_key, feature_name FROM adloom_user_history"
        return database.execute(query).fetchall()


def write(folder: Path, found: list[tuple[bytes, ...]]) -> None:
    with closing(sqlite3.connect(folder / "online.db")) as database, database:
        database.executemany(
            "UPDATE adloom_user_history SET value = ? WHERE entity_key = ? AND feature_name = ?",
            found,
        )
