"""Online features: each event counts once, histories are in order of event time."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adloom.feature_store.event_log import EventKind, LoggedEvent
from adloom.feature_store.packed_ids import unpacked
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore, UserHistory, UserStats
from tests.sample_events import at, logged

KINDS: list[EventKind] = ["impression", "click", "exposure"]


def features(store: FeatureStore, users: list[str], items: list[str]) -> tuple[Any, ...]:
    return store.histories(users), store.user_stats(users), store.item_stats(items)


def test_who_is_not_known_has_empty_features(store: FeatureStore) -> None:
    assert store.history("nobody") == UserHistory()
    assert store.user_stats(["nobody"]) == {"nobody": UserStats(0, 0)}
    nothing = store.item_stats(["nothing"])["nothing"]
    prior = store.settings
    assert nothing.click_through_rate == prior.prior_clicks / prior.prior_impressions


def test_exposures_count_as_impressions_and_rates_are_smoothed(store: FeatureStore) -> None:
    store.apply([logged(n, kind="impression") for n in range(3)])
    store.apply([logged(0, kind="exposure"), logged(0, kind="click")])
    shoe = store.item_stats(["shoe"])["shoe"]
    assert (shoe.impressions, shoe.clicks) == (4, 1)
    assert shoe.click_through_rate == pytest.approx((1 + 1) / (4 + 20))
    assert store.user_stats(["ann"])["ann"] == UserStats(impressions=4, clicks=1)


def test_an_item_is_summed_over_partitions(store: FeatureStore) -> None:
    store.apply([logged(0, partition=part, event_id=f"e{part}") for part in range(8)])
    assert store.item_stats(["shoe"])["shoe"].clicks == 8


def test_a_partition_without_a_shard_is_an_error_that_says_what_to_set(store: FeatureStore) -> None:
    with pytest.raises(ValueError, match=r"features\.item_shards"):
        store.apply([logged(0, partition=8)])


def test_late_events_find_their_place(store: FeatureStore) -> None:
    for offset, seconds in enumerate([50, 10, 40, 20, 30]):
        store.apply([logged(offset, seconds, item_id=f"item-{seconds}", ad_id=f"ad-{seconds}")])
    history = store.history("ann")
    assert history.item_ids == tuple(f"item-{seconds}" for seconds in (10, 20, 30, 40, 50))
    assert history.ad_ids == tuple(f"ad-{seconds}" for seconds in (10, 20, 30, 40, 50))
    assert history.clicked_at == tuple(at(seconds) for seconds in (10, 20, 30, 40, 50))


def test_only_the_newest_clicks_are_kept(store: FeatureStore) -> None:
    clicks = [logged(n, seconds=n) for n in range(300)]
    random.Random(1).shuffle(clicks)
    for offset, event in enumerate(clicks):
        clicks[offset] = event._replace(offset=offset)
    for start in range(0, 300, 50):
        store.apply(clicks[start : start + 50])
    assert store.history("ann").clicked_at == tuple(at(n) for n in range(44, 300))


def test_a_producers_duplicate_counts_once(store: FeatureStore) -> None:
    first = logged(0)
    store.apply([first, first._replace(offset=1)])
    store.apply([first._replace(offset=2), logged(3, 1)])
    store.apply([first._replace(offset=4)])
    assert len(store.history("ann")) == 2
    assert store.user_stats(["ann"])["ann"].clicks == 2
    assert store.item_stats(["shoe"])["shoe"].clicks == 2


def test_a_click_and_an_impression_may_share_an_event_id(store: FeatureStore) -> None:
    store.apply([logged(0, event_id="same"), logged(0, event_id="same", kind="impression")])
    assert store.user_stats(["ann"])["ann"] == UserStats(impressions=1, clicks=1)


def test_a_rebuild_replaces_what_was_there(store: FeatureStore) -> None:
    store.apply([logged(0, item_id="bag"), logged(0, kind="impression", user_id="bob")])
    events = [logged(n, n, partition=n % 3, event_id=f"e{n}") for n in range(9)]
    assert list(store.rebuild([events[:5], [], events[5:]])) == [5, 0, 4]
    assert len(store.history("ann")) == 9
    assert store.item_stats(["bag"])["bag"].clicks == 0
    assert store.user_stats(["bob"])["bob"] == UserStats(0, 0)
    store.apply(events)  # they are known
    assert len(store.history("ann")) == 9


def test_features_outlive_the_process(tmp_path: Path) -> None:
    with FeatureStore.open(FeatureStoreSettings(), tmp_path) as first:
        first.apply([logged(0)])
    with FeatureStore.open(FeatureStoreSettings(), tmp_path) as second:
        second.apply([logged(0)])
        assert len(second.history("ann")) == 1


def test_feast_reads_the_same_values(store: FeatureStore) -> None:
    ad = "0b7c9a44-9d0e-5f3c-9a55-0d8b6a1f2f10"
    store.apply([logged(0, 5, ad_id=ad), logged(0, 1, kind="impression", partition=3)])
    names = ["user_history:item_ids", "user_history:ad_ids", "user_history:clicked_at_us"]
    read = store.feast.get_online_features(names, [{"user_id": "ann"}]).to_dict()
    history = store.history("ann")
    assert tuple(read["item_ids"][0]) == history.item_ids
    assert tuple(map(unpacked, read["ad_ids"][0])) == history.ad_ids
    assert read["clicked_at_us"][0] == [round(at(5).timestamp() * 1e6)]
    rows = [{"item_id": "shoe", "shard": 0}, {"item_id": "shoe", "shard": 3}]
    counts = store.feast.get_online_features(
        ["item_stats:clicks", "item_stats:impressions"], rows
    ).to_dict()
    assert (counts["clicks"], counts["impressions"]) == ([1, 0], [0, 1])


@pytest.mark.parametrize("again", ["from memory", "from the store"])
def test_feast_reads_counts_of_which_only_one_changed(again: str, store: FeatureStore) -> None:
    store.apply([logged(0), logged(0, kind="impression")])
    if again == "from the store":
        store.progress([0])  # it reads all anew
    store.apply([logged(1, kind="impression"), logged(2, kind="impression")])
    columns = ["user_stats:clicks", "user_stats:impressions"]
    user = store.feast.get_online_features(columns, [{"user_id": "ann"}]).to_dict()
    columns = ["item_stats:clicks", "item_stats:impressions"]
    rows = [{"item_id": "shoe", "shard": 0}]
    item = store.feast.get_online_features(columns, rows).to_dict()
    for counts in (user, item):
        assert (counts["clicks"], counts["impressions"]) == ([1], [3])
    assert store.user_stats(["ann"])["ann"] == UserStats(impressions=3, clicks=1)


class Crash(Exception):
    """Stands for the end of the process."""


def stream_of(rng: random.Random, length: int) -> list[LoggedEvent]:
    """Three users, two partitions, three topics, some producer's duplicates, any order of time."""
    events: list[LoggedEvent] = []
    for offset in range(length):
        user = rng.choice(["ann", "bob", "cat"])
        kind = rng.choice(KINDS)
        event = logged(
            offset,
            rng.randrange(10),
            kind,
            user_id=user,
            item_id=rng.choice(["shoe", "bag"]),
            partition=int(user == "cat"),
        )
        again = [old for old in events if (old.user_id, old.kind) == (user, kind)]
        if again and rng.random() < 0.3:
            event = rng.choice(again)._replace(offset=offset)
        events.append(event)
    return events


USERS, ITEMS = ["ann", "bob", "cat"], ["shoe", "bag"]


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_crash_before_or_after_the_write_changes_nothing(
    written: bool, seed: int, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = stream_of(random.Random(seed), 60)
    store.apply(events)
    expected = features(store, USERS, ITEMS)
    store.clear()
    write = store._backend.write

    def crashing(*args: Any) -> bool:
        if written:
            write(*args)
        raise Crash

    store.apply(events[:20])
    monkeypatch.setattr(store._backend, "write", crashing)
    with pytest.raises(Crash):
        store.apply(events[20:40])
    monkeypatch.undo()
    store.apply(events[20:50])  # Kafka may cut the batch differently
    store.apply(events[50:])
    assert features(store, USERS, ITEMS) == expected


@pytest.mark.parametrize("seed", range(3))
def test_a_consumer_that_lost_its_partitions_does_no_harm(seed: int, store: FeatureStore) -> None:
    rng = random.Random(seed)
    events = stream_of(rng, 120)
    store.apply(events)
    expected = features(store, USERS, ITEMS)
    store.clear()
    with FeatureStore.open(store.settings, store.folder) as other:
        done = 0
        while done < len(events):
            # Each takes up some batches behind where the other has got to, with rows in memory.
            start = max(0, done - rng.randrange(30))
            done = max(done, start + rng.randrange(1, 40))
            rng.choice([store, other]).apply(events[start:done])
    assert features(store, USERS, ITEMS) == expected


def test_rows_beyond_the_limit_are_read_again(tmp_path: Path) -> None:
    events = stream_of(random.Random(7), 90)
    with FeatureStore.open(FeatureStoreSettings(), tmp_path / "roomy") as store:
        store.apply(events)
        expected = features(store, USERS, ITEMS)
    with FeatureStore.open(FeatureStoreSettings(open_rows=1), tmp_path / "tight") as store:
        for start in range(0, 90, 3):
            store.apply(events[start : start + 3])
        assert features(store, USERS, ITEMS) == expected


@given(st.data())
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_order_of_arrival_and_batches_leave_no_trace(store: FeatureStore, data: Any) -> None:
    names = data.draw(st.uuids().map(str))  # users and items no other example has
    clicks = [(data.draw(st.integers(0, 5)), data.draw(st.sampled_from("xyz"))) for _ in range(8)]
    for user, order in (("a", clicks), ("b", data.draw(st.permutations(clicks)))):
        events = [
            logged(
                n, seconds, user_id=user + names, item_id=item, topic=user + names, event_id=f"{n}"
            )
            for n, (seconds, item) in enumerate(order)
        ]
        cut = data.draw(st.integers(0, 8))
        store.apply(events[:cut])
        store.apply(events[cut:])
    histories = store.histories(["a" + names, "b" + names])
    assert histories["a" + names] == histories["b" + names]
