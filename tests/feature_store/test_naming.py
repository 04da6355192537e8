"""Whoever writes to one store knows it by one name, and a copy is another store."""

from __future__ import annotations

import shutil
from pathlib import Path

from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore


def test_a_store_has_one_name_for_all_who_open_it(
    online: FeatureStoreSettings, store: FeatureStore
) -> None:
    with FeatureStore.open(online, store.folder) as other:
        assert other.name().key == store.name().key


def test_a_moved_store_keeps_its_name_and_a_copy_has_another(tmp_path: Path) -> None:
    with FeatureStore.open(FeatureStoreSettings(), tmp_path / "home") as store:
        key = store.name().key
    shutil.copytree(tmp_path / "home", tmp_path / "copy")
    (tmp_path / "home").rename(tmp_path / "moved")
    with (
        FeatureStore.open(FeatureStoreSettings(), tmp_path / "moved") as moved,
        FeatureStore.open(FeatureStoreSettings(), tmp_path / "copy") as copy,
    ):
        assert moved.name().key == key
        assert copy.name().key != key


def test_members_with_logs_of_their_own_write_to_different_stores(
    online: FeatureStoreSettings, store: FeatureStore, tmp_path: Path
) -> None:
    with FeatureStore.open(online, tmp_path / "other") as other:
        assert other.name().key != store.name().key
