"""The ads that a user looked at last, where they are kept."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from adloom.feature_store.checking import check_all
from adloom.feature_store.event_log import LoggedEvent
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore, UserHistory
from adloom.feature_store.taking_back import is_exact, take_back
from tests.sample_events import at, logged

_MOST = 5


@pytest.fixture
def keeping(online: FeatureStoreSettings) -> FeatureStoreSettings:
    return online.model_copy(update={"impressions_length": _MOST, "history_length": 4})


@pytest.fixture
def store(keeping: FeatureStoreSettings, tmp_path: Path) -> Iterator[FeatureStore]:
    with FeatureStore.open(keeping, tmp_path / "features") as opened:
        opened.clear()
        yield opened
        opened.clear()


def look(n: int, ad: str | None, seconds: float | None = None, **more: object) -> LoggedEvent:
    when = n if seconds is None else seconds
    return logged(n, when, kind="impression", ad_id=ad, **more)


def mixed(many: int, seed: int) -> list[LoggedEvent]:
    """Of two users in two partitions; late ones, duplicates and impressions of no ad among them."""
    draw, made = random.Random(seed), list[LoggedEvent]()
    for n in range(many):
        if made and draw.random() < 0.1:
            made.append(draw.choice(made)._replace(offset=n))
            continue
        user = draw.choice(["ann", "bobby"])
        event = logged(
            n,
            draw.randrange(10_000),
            kind=draw.choice(["impression", "impression", "click", "exposure"]),
            user_id=user,
            ad_id=draw.choice([None, "ad-1", "ad-2", "ad-3"]),
            topic="test.events",
        )
        made.append(event._replace(partition=len(user) % 2))
    return made


def looks_in(events: list[LoggedEvent], user: str) -> list[tuple[datetime, str, str]]:
    """By the meaning of it: each event once, by time, those of one moment by their names."""
    looks = {
        e.event_id: (e.ts, e.item_id, e.ad_id)
        for e in events
        if e.kind == "impression" and e.ad_id and e.user_id == user
    }
    return sorted(looks.values())


def seen_in(events: list[LoggedEvent], user: str, before: datetime | None = None) -> list[str]:
    looks = looks_in(events, user)
    return [ad for ts, _, ad in looks if before is None or ts < before][-_MOST:]


def test_the_newest_ads_are_kept_in_order_of_time(store: FeatureStore) -> None:
    store.apply([look(0, "a"), look(1, None), look(2, "b", seconds=0.5), logged(0, 3, ad_id="c")])
    assert store.history("ann").seen == ("a", "b")
    store.apply([logged(0, 4, kind="exposure", ad_id="sent")])
    assert store.history("ann").seen == ("a", "b")
    store.apply([look(n, f"ad-{n}") for n in range(3, 9)])
    assert store.history("ann").seen == tuple(f"ad-{n}" for n in range(4, 9))
    assert store.history("ann").ad_ids == ("c",)


def test_they_are_what_the_log_says_whatever_comes_twice_or_late(store: FeatureStore) -> None:
    events = mixed(300, seed=1)
    for start in range(0, 300, 37):
        store.log.append(events[start : start + 37])
        store.apply(events[start : start + 37])
        store.apply(events[max(0, start - 20) : start + 37])
    for user in ("ann", "bobby"):
        assert list(store.history(user).seen) == seen_in(events, user)
    assert check_all(store).differing == 0
    moments = [
        (user, at(seconds)) for user in ("ann", "bobby", "nobody") for seconds in (-1, 5_000)
    ]
    for (user, moment), history in zip(moments, store.history_at(moments), strict=True):
        assert list(history.seen) == seen_in(events, user, moment)


def test_what_is_taken_out_is_seen_no_more(store: FeatureStore) -> None:
    events = mixed(60, seed=2)
    store.log.append(events)
    store.apply(events)
    gone = [event for event in events if event.user_id == "ann"]
    take_back(store.backend, store.settings, gone, ["ann"])
    if store.backend.deletes:
        assert store.history("ann") == UserHistory()
    assert list(store.history("bobby").seen) == seen_in(events, "bobby")
    if is_exact(store.backend):
        first = [event for event in events if event.user_id == "bobby"][:10]
        take_back(store.backend, store.settings, first)
        # What had no room any more does not come back.
        kept = [
            one for one in looks_in(events, "bobby")[-_MOST:] if one not in looks_in(first, "bobby")
        ]
        assert list(store.history("bobby").seen) == [ad for _, _, ad in kept]


def test_a_rebuild_makes_them_too(store: FeatureStore) -> None:
    events = mixed(80, seed=3)
    list(store.rebuild([events[:50], events[50:]]))
    for user in ("ann", "bobby"):
        assert list(store.history(user).seen) == seen_in(events, user)


def test_none_are_kept_unless_wanted_and_may_be_wanted_later(
    online: FeatureStoreSettings, keeping: FeatureStoreSettings, tmp_path: Path
) -> None:
    with FeatureStore.open(online, tmp_path / "features") as plain:
        plain.clear()
        plain.log.append([look(0, "a")])
        plain.apply([look(0, "a")])
        assert plain.history("ann").seen == ()
        assert plain.history_at([("ann", at(9))]) == [UserHistory()]
    with FeatureStore.open(keeping, tmp_path / "features") as store:
        store.log.append([look(1, "b")])
        store.apply([look(1, "b")])
        assert store.history("ann").seen == ("b",)
        list(store.rebuild([[look(0, "a"), look(1, "b")]]))
        assert store.history("ann").seen == ("a", "b")
        store.clear()
