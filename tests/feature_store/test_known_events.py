"""An event counts once, however much came between and however often it comes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from feast.protos.feast.types.Value_pb2 import Value
from hypothesis import given
from hypothesis import strategies as st

from adloom.feature_store.known_events import FINGERPRINTS_OF_A_PAGE, KnownEvents, PageRow
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore, UserStats
from tests.sample_events import logged


def test_an_event_is_known_after_a_thousand_others(store: FeatureStore) -> None:
    events = [logged(n, n, kind="impression") for n in range(1_000)]
    store.apply(events)
    again = [event._replace(offset=1_000 + n) for n, event in enumerate(events)]
    store.apply(again)
    assert store.user_stats(["ann"])["ann"] == UserStats(1_000, 0)
    assert store.item_stats(["shoe"])["shoe"].impressions == 1_000


def test_it_is_known_to_whoever_opens_the_store_later(
    online: FeatureStoreSettings, store: FeatureStore
) -> None:
    store.apply([logged(n, n) for n in range(1_000)])
    with FeatureStore.open(online, store.folder) as later:
        later.apply([logged(n, n)._replace(topic_id="made anew") for n in range(1_200)])
        assert later.user_stats(["ann"])["ann"] == UserStats(0, 1_200)
        assert len(later.history("ann")) == later.settings.history_length


def test_topics_that_are_made_anew_with_the_same_events_count_nothing_twice(
    store: FeatureStore,
) -> None:
    events = [
        logged(n, n, user_id=f"user-{n % 3}", item_id=f"item-{n % 5}", partition=n % 2)
        for n in range(900)
    ]
    for start in range(0, 900, 100):
        store.apply(events[start : start + 100])
    moved = [event._replace(topic_id="elsewhere") for event in events]
    for start in range(0, 900, 300):
        store.apply(moved[start : start + 300])
    users = [f"user-{n}" for n in range(3)]
    assert store.user_stats(users) == {user: UserStats(0, 300) for user in users}
    items = store.item_stats(f"item-{n}" for n in range(5))
    assert [stats.clicks for stats in items.values()] == [180] * 5


def test_two_users_may_have_the_same_event_id(store: FeatureStore) -> None:
    store.apply([logged(0, event_id="same"), logged(1, event_id="same", user_id="bob")])
    assert store.user_stats(["ann", "bob"]) == {"ann": UserStats(0, 1), "bob": UserStats(0, 1)}


def test_features_of_an_earlier_version_are_read_on(tmp_path: Path) -> None:
    """It kept up to 256 fingerprints in the row, without a header, and no page."""
    with FeatureStore.open(FeatureStoreSettings(), tmp_path) as store:
        store.apply([logged(n, n) for n in range(200)])
    with closing(sqlite3.connect(tmp_path / "online.db")) as database:
        pages = database.execute("SELECT value FROM adloom_user_events").fetchall()
        (row,) = database.execute(
            "SELECT value FROM adloom_user_stats WHERE feature_name = 'recent_events'"
        ).fetchone()
        old = _content(pages[0][0]) + _content(row)[12:]
        assert len(old) == 200 * 8
        database.execute("DELETE FROM adloom_user_events")
        database.execute(
            "UPDATE adloom_user_stats SET value = ? WHERE feature_name = 'recent_events'",
            [_value(old)],
        )
        database.commit()
    with FeatureStore.open(FeatureStoreSettings(), tmp_path) as store:
        again = [logged(n, n)._replace(topic_id="made anew") for n in range(230)]
        store.apply(again)
        assert store.user_stats(["ann"])["ann"] == UserStats(0, 230)


def _content(value: bytes) -> bytes:
    found: bytes = Value.FromString(value).bytes_val
    return found


def _value(content: bytes) -> bytes:
    return Value(bytes_val=content).SerializeToString()


@given(st.lists(st.integers(0, 400), max_size=1_500), st.integers(1, 200))
def test_what_is_known_is_a_set_however_it_is_stored(numbers: list[int], every: int) -> None:
    """It is written and read anew after every so many events."""
    known = KnownEvents()
    pages: dict[int, PageRow] = {}
    seen: set[int] = set()
    for place, number in enumerate(numbers):
        assert known.add(logged(number)) == (number not in seen)
        seen.add(number)
        if place % every == 0:
            pages |= known.full
            known = KnownEvents.decode(known.encode())
            assert known.pages == len(pages) == len(seen) // FINGERPRINTS_OF_A_PAGE
            if known.needs_pages:
                known.know([pages[number] for number in range(known.pages)])
