"""What the features must be, folded from events without adloom, and what they are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from adloom.feature_store.store import FeatureStore
from adloom.stream.events import Event, kind_of

_HISTORY_LENGTH = 256

Identity = tuple[str, str, str]
"""Kind, user id, event id: what is the same in all three counts once."""


class Features(NamedTuple):
    """By name: clicks of a user, impressions and clicks of a user, of an item."""

    histories: dict[str, tuple[tuple[datetime, str, str], ...]]
    users: dict[str, tuple[int, int]]
    items: dict[str, tuple[int, int]]


def identity_of(event: Event) -> Identity:
    """What the event is known by."""
    return kind_of(event), event.user_id, event.event_id


def fold(events: Iterable[Event], users: Sequence[str], items: Sequence[str]) -> Features:
    """The features of distinct events."""
    clicks: dict[str, list[tuple[datetime, str, str]]] = defaultdict(list)
    by_user, by_item = Counter[tuple[str, bool]](), Counter[tuple[str, bool]]()
    for event in events:
        clicked = kind_of(event) == "click"
        by_user[event.user_id, clicked] += 1
        by_item[event.item_id, clicked] += 1
        if clicked:
            clicks[event.user_id].append((event.ts, event.item_id, event.ad_id or ""))
    return Features(
        {user: tuple(sorted(clicks[user])[-_HISTORY_LENGTH:]) for user in users},
        {user: (by_user[user, False], by_user[user, True]) for user in users},
        {item: (by_item[item, False], by_item[item, True]) for item in items},
    )


def features_in(store: FeatureStore, users: Sequence[str], items: Sequence[str]) -> Features:
    """The same, as the feature store knows it."""
    histories = store.histories(users).items()
    by_user, by_item = store.user_stats(users).items(), store.item_stats(items).items()
    return Features(
        {
            user: tuple(zip(history.clicked_at, history.item_ids, history.ad_ids, strict=True))
            for user, history in histories
        },
        {user: (known.impressions, known.clicks) for user, known in by_user},
        {item: (known.impressions, known.clicks) for item, known in by_item},
    )


def logged_in(store: FeatureStore) -> list[Identity]:
    """What the event log has, sorted."""
    log = store.log.read()
    return sorted(zip(log["kind"], log["user_id"], log["event_id"], strict=True))
