"""A rebuild leaves what was there until it is whole."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator
from typing import Any, cast

import pytest

from adloom.feature_store.event_log import LoggedEvent
from adloom.feature_store.progress import Progress
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import ContendedPartition, FeatureStore, StoreUnavailable, UserStats
from tests.feature_store.online_rows import keys_of, redis_of, snapshot
from tests.sample_events import logged


@pytest.fixture
def filled(store: FeatureStore) -> FeatureStore:
    store.apply([logged(n, n) for n in range(300)])
    return store


def test_a_rebuild_that_fails_changes_nothing(filled: FeatureStore) -> None:
    def broken() -> Iterator[list[LoggedEvent]]:
        yield [logged(0, user_id="bob")]
        raise ValueError("a bad row")

    before = snapshot(filled)
    with pytest.raises(ValueError, match="a bad row"):
        list(filled.rebuild(broken()))
    assert snapshot(filled) == before
    assert [path.name for path in filled.folder.iterdir() if "rebuild." in path.name] == [
        "rebuild.lock"
    ]


def test_one_that_is_left_in_the_middle_changes_nothing(filled: FeatureStore) -> None:
    before = snapshot(filled)
    rebuilding = filled.rebuild([logged(n, user_id="bob")] for n in range(10))
    next(rebuilding)
    assert snapshot(filled) == before
    cast(Generator[int], rebuilding).close()
    assert snapshot(filled) == before


def test_it_takes_the_place_of_all_that_was_there(filled: FeatureStore) -> None:
    events = [logged(n, n, user_id="bob", item_id="bag") for n in range(200)]
    assert list(filled.rebuild([events[:150], events[150:]])) == [150, 50]
    stats = filled.user_stats(["ann", "bob"])
    assert (stats["ann"], stats["bob"]) == (UserStats(0, 0), UserStats(0, 200))
    assert filled.item_stats(["shoe"])["shoe"].clicks == 0
    assert filled.progress([0]) == {0: {"test.clicks": Progress("first", 199, 199)}}
    filled.ping()
    filled.apply([logged(200, user_id="bob")])
    assert filled.user_stats(["bob"])["bob"].clicks == 201


def test_it_refuses_to_overwrite_what_a_consumer_writes(
    online: FeatureStoreSettings, filled: FeatureStore
) -> None:
    with FeatureStore.open(online, filled.folder) as consumer:
        rebuilding = filled.rebuild([[logged(0, user_id="bob")], [logged(1, user_id="bob")]])
        next(rebuilding)
        consumer.apply([logged(300)])
        with pytest.raises(ContendedPartition, match="stop them"):
            list(rebuilding)
    assert filled.user_stats(["ann"])["ann"].clicks == 301


class CutOff:
    """A Redis client that is gone after so many calls."""

    def __init__(self, client: Any, calls: int) -> None:
        self._client, self._left = client, calls

    def __getattr__(self, name: str) -> Any:
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        return getattr(self._client, name)


@pytest.mark.parametrize("calls", range(4, 20))
def test_a_swap_that_was_cut_off_is_finished_by_whoever_comes(
    calls: int, online: FeatureStoreSettings, filled: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    if online.online != "redis":
        pytest.skip("SQLite swaps in one transaction")
    if online.redis_mode == "cluster" and calls % 5:
        pytest.skip("a few: who comes waits for the turn of the one that was cut off")
    events = [logged(n, n, user_id="bob", item_id="bag") for n in range(200)]
    with monkeypatch.context() as patch:
        patch.setattr(filled._backend, "_redis", CutOff(redis_of(filled), calls))
        with contextlib.suppress(KeyboardInterrupt):
            list(filled.rebuild([events]))
    with FeatureStore.open(online, filled.folder) as later:
        _until_it_answers(later)
        stats = later.user_stats(["ann", "bob"])
        whole, before = (UserStats(0, 0), UserStats(0, 200)), (UserStats(0, 300), UserStats(0, 0))
        assert (stats["ann"], stats["bob"]) in (whole, before)
        later.ping()
        list(later.rebuild([events]))
        assert later.user_stats(["bob"])["bob"] == UserStats(0, 200)
    assert not keys_of(filled, "swap") + keys_of(filled, "staged")


def _until_it_answers(store: FeatureStore) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            store.ping()
            return
        except StoreUnavailable:
            assert time.monotonic() < deadline
            time.sleep(0.1)
