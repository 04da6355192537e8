"""The file of the online store is damaged: it is told in words, and a rebuild brings it back."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adloom.feature_store.backend import StoreDamaged, StoreUnavailable
from adloom.feature_store.event_log import LoggedEvent
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from tests.damage import Damage, a_folder, a_text, emptied, halved, in_the_middle

USERS = [f"user-{n}" for n in range(300)]


DAMAGES = [in_the_middle, halved, a_text]


def events() -> list[LoggedEvent]:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        LoggedEvent(
            "click", f"e{n}", start + timedelta(seconds=n), USERS[n % 300], f"item-{n % 50}",
            "clicks", 0, n, "id",
        )
        for n in range(3_000)
    ]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a store with three thousand events that nobody has open."""
    with FeatureStore.open(FeatureStoreSettings(), tmp_path) as store:
        store.log.append(events())
        store.apply(events())
    with closing(sqlite3.connect(tmp_path / "online.db")) as database:  # all of it in one file
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return tmp_path


def history_lengths(store: FeatureStore) -> list[int]:
    return [len(history) for history in store.histories(USERS).values()]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_told_and_a_rebuild_brings_all_back(folder: Path, damage: Damage) -> None:
    damage(folder / "online.db")
    with FeatureStore.open(FeatureStoreSettings(), folder) as store:
        for use in (lambda: store.histories(USERS), store.ping):
            with pytest.raises(StoreDamaged, match=r"online\.db is damaged.*adloom backfill"):
                use()
        assert sum(store.rebuild(store.log.batches())) == 3_000
        assert history_lengths(store) == [10] * 300
        store.ping()
    assert (folder / "online.db.damaged").exists()
    assert not (folder / "online.db.rebuild").exists()


@pytest.mark.parametrize("damage", [*DAMAGES, emptied])
def test_who_has_it_open_reads_on_when_another_process_has_rebuilt_it(
    folder: Path, damage: Damage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adloom.feature_store.sqlite_file._PATIENCE_SECONDS", 0.2)
    with FeatureStore.open(FeatureStoreSettings(), folder) as store:
        damage(folder / "online.db")
        with suppress(StoreUnavailable):
            store.histories(USERS)
        with FeatureStore.open(FeatureStoreSettings(), folder) as other:
            assert sum(other.rebuild(other.log.batches())) == 3_000
        store.ping()
        assert history_lengths(store) == [10] * 300


def test_a_folder_in_its_place_is_told(folder: Path) -> None:
    a_folder(folder / "online.db")
    with (
        FeatureStore.open(FeatureStoreSettings(), folder) as store,
        pytest.raises(StoreUnavailable, match=r"online\.db cannot be opened or written"),
    ):
        store.histories(USERS)


def test_a_damaged_registry_of_feast_is_made_anew(folder: Path) -> None:
    for content in (b"\xff" * 400, b""):
        (folder / "registry.db").write_bytes(content)
        with FeatureStore.open(FeatureStoreSettings(), folder) as store:
            moment = datetime(2026, 1, 2, tzinfo=UTC)
            assert [len(h) for h in store.history_at([("user-1", moment)])] == [10]
