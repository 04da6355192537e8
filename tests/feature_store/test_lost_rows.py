"""Rows that go from under a consumer: they are mended from the log, or it says what to do."""

from __future__ import annotations

import logging
import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from typing import Any

import mmh3
import pytest

from adloom.feature_store.backend import StoreUnfit
from adloom.feature_store.event_log import LoggedEvent
from adloom.feature_store.progress import Progress, Reached
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeaturesLost, FeatureStore, ProgressMoved
from tests.feature_store.online_rows import file_of, keys_of, lose, redis_of, restore, snapshot
from tests.sample_events import logged

USERS = ["ann", "bob"]
ITEMS = ["shoe", "hat"]


def events(first: int, count: int, **more: Any) -> list[LoggedEvent]:
    """Of two users and two items; every second one is a click."""
    return [
        logged(
            n,
            n,
            kind="click" if n % 2 else "impression",
            user_id=USERS[n // 2 % 2],
            item_id=ITEMS[n // 4 % 2],
            topic="test.events",
            **more,
        )
        for n in range(first, first + count)
    ]


def take(store: FeatureStore, batch: list[LoggedEvent]) -> None:
    store.log.append(batch)
    store.apply(batch)


def features(store: FeatureStore) -> Any:
    return store.user_stats(USERS), store.histories(USERS), store.item_stats(ITEMS)


@pytest.fixture
def whole(online: FeatureStoreSettings, tmp_path_factory: Any) -> Any:
    """The features of 800 events to which nothing happened."""
    with FeatureStore.open(FeatureStoreSettings(), tmp_path_factory.mktemp("whole")) as untouched:
        untouched.apply(events(0, 800))
        return features(untouched)


@pytest.mark.parametrize("name", ["ann", "shoe", "bob"])
def test_a_row_that_goes_from_under_its_writer_is_mended_from_the_log(
    name: str, store: FeatureStore, whole: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for start in range(0, 600, 200):
        take(store, events(start, 200))
    assert lose(store, name)
    with caplog.at_level(logging.WARNING):
        take(store, events(600, 200))
    assert features(store) == whole
    assert f"lost {'item' if name == 'shoe' else 'user'} {name}" in caplog.text
    store.ping()


@pytest.mark.parametrize("view", ["user_history", "user_stats", "user_events", "item_stats"])
def test_so_is_a_row_of_one_view(view: str, store: FeatureStore, whole: Any) -> None:
    if store.settings.online == "redis":
        pytest.skip("Feast keeps all views of a user in one hash")
    take(store, events(0, 600))
    store.progress([0])  # nothing stays in memory
    assert lose(store, "", (view,)) or view == "user_events"
    if view in ("user_stats", "item_stats"):
        pytest.skip("nobody knows of a whole row that went while no writer had it in memory")
    take(store, events(600, 200))
    assert features(store) == whole


def test_a_row_of_which_a_value_is_gone_is_mended(
    online: FeatureStoreSettings, store: FeatureStore, whole: Any
) -> None:
    take(store, events(0, 600))
    _lose_value(store, "clicks")
    assert store.user_stats(["ann"])["ann"].clicks in (0, 150)  # and no KeyError
    with FeatureStore.open(online, store.folder) as later:
        take(later, events(600, 200))
        assert features(later) == whole


def _lose_value(store: FeatureStore, feature: str) -> None:
    if store.settings.online == "redis":
        field = struct.pack("<I", mmh3.hash(f"user_stats:{feature}", signed=False))
        server = redis_of(store)
        for key in keys_of(store, "ann"):
            server.hdel(key, field)
        return
    with closing(sqlite3.connect(file_of(store))) as database:
        database.execute("DELETE FROM adloom_user_stats WHERE feature_name = ?", [feature])
        database.commit()


def test_what_the_log_does_not_have_is_an_error_that_names_the_command(
    store: FeatureStore,
) -> None:
    store.apply(events(0, 100))  # nothing of it is logged
    lose(store, "ann")
    with pytest.raises(FeaturesLost, match=r"user ann.*adloom backfill"):
        store.apply(events(100, 100))
    assert list(store.rebuild([events(0, 200)])) == [200]
    store.apply(events(200, 100))


def test_a_store_restored_from_a_snapshot_is_told_to_whoever_wrote_more(
    store: FeatureStore, whole: Any
) -> None:
    batches = [events(start, 200) for start in range(0, 800, 200)]
    take(store, batches[0])
    store.settle([Reached("test.events", 0, "first", 199)])
    store.save_progress()
    taken = snapshot(store)
    take(store, batches[1])
    restore(store, taken)
    with pytest.raises(ProgressMoved, match=r"older than they were: test\.events/0"):
        store.apply(batches[2])
    assert store.progress([0]) == {0: {"test.events": Progress("first", 199, 199)}}
    for batch in batches[1:]:
        take(store, batch)
    assert features(store) == whole


def test_an_idle_writer_finds_it_too(store: FeatureStore) -> None:
    take(store, events(0, 100))
    taken = snapshot(store)
    take(store, events(100, 100))
    restore(store, taken)
    with pytest.raises(ProgressMoved):
        store.ping()


def test_a_store_that_lost_all_of_it_is_read_anew(store: FeatureStore, whole: Any) -> None:
    take(store, events(0, 400))
    lose(store, "")
    with pytest.raises(ProgressMoved):
        store.apply(events(400, 400))
    assert store.progress([0]) == {0: {}}
    store.apply(events(0, 800))
    assert features(store) == whole


def test_a_progress_row_that_is_gone_makes_nothing_count_twice(
    online: FeatureStoreSettings, store: FeatureStore, whole: Any
) -> None:
    take(store, events(0, 400))
    if online.online == "redis":
        server = redis_of(store)
        gone = [key for key in keys_of(store, "shard") if b"item_id" not in key]
        assert sum(server.delete(key) for key in gone)
    else:
        lose(store, "", ("stream_progress",))
    with pytest.raises(ProgressMoved):
        store.apply(events(400, 400))
    store.progress([0])
    store.apply(events(0, 800))
    assert features(store) == whole


@pytest.mark.parametrize("name", ["ann", "shoe"])
def test_rows_that_redis_lost_are_missed_and_made_anew_by_whoever_asks(
    name: str, online: FeatureStoreSettings, store: FeatureStore, whole: Any
) -> None:
    if online.online != "redis":
        pytest.skip("SQLite evicts nothing, and counting its rows would read all of them")
    take(store, events(0, 800))
    lose(store, name)
    with FeatureStore.open(online, store.folder) as later:  # it has nothing in memory
        later.ping()
    assert features(store) == whole


def test_rows_that_the_log_has_not_are_told(
    online: FeatureStoreSettings, store: FeatureStore
) -> None:
    if online.online != "redis":
        pytest.skip("SQLite evicts nothing, and counting its rows would read all of them")
    store.apply(events(0, 400))
    lose(store, "ann")
    with (
        FeatureStore.open(online, store.folder) as later,
        pytest.raises(FeaturesLost, match=r"rows? of the online features .* run adloom backfill"),
    ):
        later.ping()
    sum(store.rebuild([events(0, 400)]))
    store.ping()


def test_a_redis_that_others_use_too_is_told(
    online: FeatureStoreSettings, store: FeatureStore, caplog: pytest.LogCaptureFixture
) -> None:
    if online.online != "redis" or online.redis_mode == "cluster":
        pytest.skip("SQLite is adloom's own, and a cluster has one database")
    server = redis_of(store)
    server.set("session:1", "x")
    try:
        with FeatureStore.open(online, store.folder):
            assert "session:1" in caplog.text
            assert "a database of their own" in caplog.text
    finally:
        server.delete("session:1")


@pytest.mark.parametrize("how", ["replaced", "removed"])
def test_a_file_that_is_replaced_under_its_writer_is_noticed(
    how: str, tmp_path: Path, whole: Any
) -> None:
    with FeatureStore.open(FeatureStoreSettings(), tmp_path) as store:
        take(store, events(0, 200))
        with closing(sqlite3.connect(tmp_path / "online.db")) as database:
            database.execute("VACUUM INTO ?", [str(tmp_path / "kept.db")])
        take(store, events(200, 200))
        if how == "replaced":
            (tmp_path / "kept.db").replace(tmp_path / "online.db")
        for file in tmp_path.glob("online.db*" if how == "removed" else "online.db-*"):
            file.unlink()
        with pytest.raises(ProgressMoved):
            store.ping()
        reached = store.progress([0])[0]
        assert (reached["test.events"].applied if reached else -1) == (
            199 if how == "replaced" else -1
        )
        take(store, events(0, 800))
        assert features(store) == whole
        with FeatureStore.open(FeatureStoreSettings(), tmp_path) as other:
            assert features(other) == whole


def test_a_redis_that_evicts_is_refused_at_the_start(
    online: FeatureStoreSettings, store: FeatureStore
) -> None:
    if online.online != "redis":
        pytest.skip("SQLite evicts nothing")
    server = redis_of(store)
    everywhere = {"target_nodes": "primaries"} if online.redis_mode == "cluster" else {}
    server.config_set("maxmemory-policy", "allkeys-lru", **everywhere)
    try:
        with pytest.raises(StoreUnfit, match=r"allkeys-lru; set it to noeviction"):
            FeatureStore.open(online, store.folder)
        with pytest.raises(StoreUnfit):
            store.ping()
    finally:
        server.config_set("maxmemory-policy", "noeviction", **everywhere)


def test_what_is_settled_is_not_taken_for_applied(store: FeatureStore) -> None:
    """A store that was restored meanwhile has less in its features."""
    take(store, events(0, 60))
    taken = snapshot(store)
    with FeatureStore.open(store.settings, store.folder) as member:
        member.settle([Reached("test.events", 0, "first", 100)])
        restore(store, taken)
        member.save_progress()
        assert member.progress([0]) == {0: {"test.events": Progress("first", 59, 59)}}
        member.settle([Reached("test.events", 0, "of another topic", 100)])
        member.save_progress()
        assert member.progress([0]) == {0: {"test.events": Progress("first", 59, 59)}}
