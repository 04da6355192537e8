"""A store that is closed lets go of its files, whoever opened them."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from tests.feast_stores import FEASTS_SQLITE
from tests.sample_events import logged


@pytest.mark.parametrize("reads_by_feast", [False, True])
def test_nothing_stays_beside_the_sqlite_file(tmp_path: Path, reads_by_feast: bool) -> None:
    gc.disable()  # what only a collection closes stays open for as long as it likes
    try:
        for _ in range(2):  # made, and found there
            with FeatureStore.open(FeatureStoreSettings(), tmp_path) as store:
                store.apply([logged(0)])
                if reads_by_feast:
                    views = store.feast.list_feature_views()
                    features = [f"{view.name}:{view.features[0].name}" for view in views]
                    of_user = [name for name in features if name.startswith("user_stats")]
                    key = {"user_id": logged(0).user_id}
                    assert of_user
                    store.feast.get_online_features(of_user, [key]).to_dict()
            assert _left(tmp_path) == ["online.db"]
    finally:
        gc.enable()


def test_a_store_of_feasts_own_is_closed_as_well(tmp_path: Path) -> None:
    settings = FeatureStoreSettings(
        online=FEASTS_SQLITE, online_config={"path": str(tmp_path / "online.db")}
    )
    with FeatureStore.open(settings, tmp_path / "home") as store:
        store.apply([logged(0)])
    with FeatureStore.open(settings, tmp_path / "home") as store:
        assert store.user_stats([logged(0).user_id])


def _left(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("online.db*"))
