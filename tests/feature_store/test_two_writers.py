"""A user in two partitions, whose members write the same rows: all of it counts, and it is told."""

from __future__ import annotations

import random
import threading

import pytest

from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore, UserStats
from tests.sample_events import logged

USERS = [f"user-{n}" for n in range(20)]


def test_users_of_two_partitions_are_counted_whole(
    online: FeatureStoreSettings, store: FeatureStore
) -> None:
    with FeatureStore.open(online, store.folder) as other:
        for step in range(10):
            for member, partition in ((store, 0), (other, 1)):
                batch = [
                    logged(
                        step * 20 + n,
                        step,
                        kind="click" if n % 4 == 0 else "impression",
                        event_id=f"{partition}-{step}-{n}",
                        user_id=USERS[n],
                        partition=partition,
                        topic="test.events",
                    )
                    for n in range(20)
                ]
                assert member.apply(batch) > 0
        assert store.crossed + other.crossed == 20 * 19
    stats = store.user_stats(USERS)
    assert all(stats[USERS[n]] == UserStats(0, 20) for n in range(0, 20, 4))
    assert sum(each.impressions + each.clicks for each in stats.values()) == 400
    assert store.item_stats(["shoe"])["shoe"].clicks == 100
    assert all(len(store.history(USERS[n])) == 20 for n in range(0, 20, 4))


def test_two_members_at_the_same_time_lose_nothing(
    online: FeatureStoreSettings, store: FeatureStore
) -> None:
    if online.online not in ("sqlite", "redis"):
        pytest.skip("a store that compares nothing does not promise it, and says so at the start")

    def consume(member: FeatureStore, partition: int) -> None:
        rng = random.Random(partition)
        for step in range(30):
            users = rng.sample(USERS, 5)
            member.apply(
                [
                    logged(
                        step * 5 + n, step, event_id=f"{partition}-{step}-{n}", user_id=user
                    )._replace(partition=partition)
                    for n, user in enumerate(users)
                ]
            )

    with FeatureStore.open(online, store.folder) as other:
        members = [threading.Thread(target=consume, args=args) for args in ((store, 0), (other, 1))]
        for member in members:
            member.start()
        for member in members:
            member.join()
    assert sum(each.clicks for each in store.user_stats(USERS).values()) == 300
    assert store.item_stats(["shoe"])["shoe"].clicks == 300


def test_users_who_stay_in_their_partition_are_no_news(store: FeatureStore) -> None:
    for step in range(5):
        store.apply([logged(step * 2 + n, user_id=f"u{n}", partition=n) for n in range(2)])
    assert store.crossed == 0
