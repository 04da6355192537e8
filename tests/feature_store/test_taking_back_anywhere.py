"""A user out of any online store: where rows cannot go, all features are made anew from the log."""

from __future__ import annotations

from adloom.feature_store.checking import check_all
from adloom.feature_store.store import FeatureStore, UserStats
from adloom.feature_store.taking_back import is_exact, take_back
from tests.feature_store.test_taking_back import events, fill

_GOES = "ann-o'neill/7"


def test_a_user_goes_and_others_stay(store: FeatureStore) -> None:
    fill(store, events(300))
    others = store.user_stats(["bob", "cem"]), store.histories(["bob", "cem"])
    theirs = store.log.of_users([_GOES])
    take_back(store.backend, store.settings, theirs, [_GOES])
    store.log.erase_users([_GOES])
    store.backend.scrub()
    if not store.backend.deletes:
        assert store.user_stats([_GOES])[_GOES] != UserStats()
        list(store.rebuild(store.log.batches()))
    assert store.user_stats([_GOES])[_GOES] == UserStats()
    assert len(store.history(_GOES)) == 0
    assert (store.user_stats(["bob", "cem"]), store.histories(["bob", "cem"])) == others
    if not is_exact(store.backend):
        list(store.rebuild(store.log.batches()))  # as `adloom backfill`
    assert check_all(store).differing == 0
