"""The online features held against the event log.

All of them: the features are made from the log beside, and every row is compared, both ways. Or
those of some users and items, drawn at random. A difference is looked at again before it is told:
a consumer may be writing, and its log may be a moment behind its features.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from adloom.feature_store.applied import Applied
from adloom.feature_store.backend import OnlineBackend
from adloom.feature_store.defining import define
from adloom.feature_store.folding import Fold
from adloom.feature_store.logged import LoggedEvent
from adloom.feature_store.looking_back import (
    ItemFeatures,
    UserFeatures,
    Views,
    item_keys,
    item_names,
    item_rows,
    item_rows_at,
    lists_its_rows,
    user_names,
)
from adloom.feature_store.naming_features import FeastNames
from adloom.feature_store.progress import NOTHING, Progress, Reads
from adloom.feature_store.random_names import RandomNames
from adloom.feature_store.rows import CountsRow
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.sqlite_backend import SqliteBackend
from adloom.feature_store.store import FeatureStore
from adloom.feature_store.updates import Updates

_NAMES_AT_ONCE = 1_000
_MOST_LOOKS = 3
_LATE_SECONDS = 1.0  # after the log is due to have what the features have
_LONGER = 4
_STILL_READS = 20
_STILL_SECONDS = 0.05
_MOST_LOOKED_AT = 10_000

Features = UserFeatures | ItemFeatures
Told = Callable[[float, int], object]
"""Called with the part that is done, 0 to 1, and the number of records so far."""


@dataclass(frozen=True)
class Difference:
    """What the online store has otherwise than the log; None where a part of its rows is gone."""

    of: str
    name: str
    stored: Features | None
    logged: Features


@dataclass
class Checked:
    """What was compared.

    Attributes:
        records: of the log, that were read for it.
        differing: how many users and items differ.
        unlisted: the store lists no rows, so that those that the log has nothing of are not seen.
        differences: the first of them.
    """

    users: int = 0
    items: int = 0
    records: int = 0
    differing: int = 0
    unlisted: bool = False
    differences: list[Difference] = field(default_factory=list)


def check_all(store: FeatureStore, told: Told = lambda *_: None) -> Checked:
    """Compares the features of all users and items.

    Raises StoreUnavailable; ValueError for a partition beyond `item_shards`.
    """
    checked = Checked(unlisted=not lists_its_rows(store.backend))
    with tempfile.TemporaryDirectory(prefix="adloom-check-") as folder:
        file = Path(folder) / "features.db"
        beside = SqliteBackend(file, "check", define(FeastNames()).layout)
        try:
            checked.records = _take_log(beside, store, told)
            users, checked.users = _differing_users(store.backend, beside, store.settings)
            items, checked.items = _differing_items(store.backend, beside)
        finally:
            beside.close()
    _look_again(store, checked, users, items)
    return checked


def check_sample(store: FeatureStore, most: int, told: Told = lambda *_: None) -> Checked:
    """Compares the features of at most so many users and as many items, drawn at random.

    They are drawn from the log and the online store alike. Raises StoreUnavailable.
    """
    users, items = RandomNames(most), RandomNames(most)
    total, records = max(1, store.log.records()), 0
    for rows in store.log.columns(["user_id", "item_id"]):
        users.add(rows.column("user_id").unique().to_pylist())
        items.add(rows.column("item_id").unique().to_pylist())
        records += rows.num_rows
        told(records / total, records)
    users.add(user_names(store.backend))
    items.add(item_names(store.backend))
    unlisted = not lists_its_rows(store.backend)
    checked = Checked(len(users.names), len(items.names), records, unlisted=unlisted)
    _look_again(store, checked, users.names, items.names)
    return checked


def _take_log(beside: OnlineBackend, store: FeatureStore, told: Told) -> int:
    """Applies what is in the features to an empty store; the number of records read."""
    updates, views = Updates(beside, store.settings), Views(store.backend, store.settings)
    progress, applied = views.progress(), Applied(store.log)
    total, records = max(1, store.log.records()), 0
    for events in store.log.batches():
        store.check_shards(events)
        updates.apply(list(applied.among(events, progress)))
        records += len(events)
        told(records / total, records)
    return records


def _differing_users(
    stored: OnlineBackend, logged: OnlineBackend, settings: FeatureStoreSettings
) -> tuple[list[str], int]:
    """Names of users whose features are not the same, and the number of all."""
    ours, theirs = Views(stored, settings), Views(logged, settings)
    differing: dict[str, None] = {}
    counts = []
    for backend in (stored, logged):
        counts.append(0)
        for names in _in_parts(user_names(backend)):
            counts[-1] += len(names)
            here, there = ours.users(names), theirs.users(names)
            differing |= dict.fromkeys(name for name in names if here[name] != there[name])
    for names in _in_parts(user_names(stored, "user_history")):
        found = ours.users(names).items()
        differing |= dict.fromkeys(
            name for name, known in found if known is None or len(known.history) > known.clicks
        )
    return list(differing), max(counts)


def _differing_items(stored: OnlineBackend, logged: OnlineBackend) -> tuple[list[str], int]:
    """Names of items whose counts, over all shards, are not the same; and the number of all."""
    impressions, clicks = Counter[str](), Counter[str]()
    torn = set()
    for rows, sign in ((_stored_items(stored, logged), 1), (item_rows(logged), -1)):
        for name, row in rows:
            impressions[name] += sign * row.impressions
            clicks[name] += sign * row.clicks
            if row.torn:
                torn.add(name)
    differing = [name for name in impressions if impressions[name] or clicks[name] or name in torn]
    return differing, len(impressions)


def _stored_items(stored: OnlineBackend, logged: OnlineBackend) -> Iterator[tuple[str, CountsRow]]:
    """All that are stored; those that are logged of a store that does not list its rows."""
    if lists_its_rows(stored):
        yield from item_rows(stored)
        return
    for keys in _in_parts(item_keys(logged)):
        yield from item_rows_at(stored, keys)


def _look_again(
    store: FeatureStore, checked: Checked, users: Sequence[str], items: Sequence[str]
) -> None:
    """Notes what differs of these users and items, however often one looks."""
    names = [*(("user", name) for name in users), *(("item", name) for name in items)]
    pause = _pause_seconds(store)
    for part in _in_parts(iter(names[:_MOST_LOOKED_AT])):
        found = _look(store, part, 0)
        for again in range(_MOST_LOOKS - 1):
            if found:
                longer = pause * _LONGER**again  # a commit may take a while where much is done
                found = _look(store, [(one.of, one.name) for one in found], longer)
        checked.differences += found
    unseen = max(0, len(names) - _MOST_LOOKED_AT) if checked.differences else 0
    checked.differing = len(checked.differences) + unseen


def _look(
    store: FeatureStore, names: Sequence[tuple[str, str]], pause_seconds: float
) -> list[Difference]:
    """What of these differs; the log has so much time to come up to the features."""
    users = [name for of, name in names if of == "user"]
    items = [name for of, name in names if of == "item"]
    views = Views(store.backend, store.settings)
    stored, before, after = _still(views, users, items)
    time.sleep(pause_seconds)
    applied, events = Applied(store.log), store.log.of(users, items)
    later = views.progress()
    before, after = (_begun_since(known, later) for known in (before, after))
    surely = applied.among(events, before)
    # Rows that are written one by one have a batch before the progress tells of it.
    perhaps = events if _is_row_by_row(store) else applied.among(events, after)
    least, most = (_folded(store, some, users, items) for some in (surely, perhaps))
    return [
        Difference(*key, stored[key], most[key])
        for key in stored
        if not _lies_between(least[key], stored[key], most[key])
    ]


def _is_row_by_row(store: FeatureStore) -> bool:
    return store.backend.layout.marks != "none"


def _folded(
    store: FeatureStore, events: Iterable[LoggedEvent], users: Sequence[str], items: Sequence[str]
) -> dict[tuple[str, str], Any]:
    fold = Fold(store.settings)
    fold.take(events)
    return _features(Views(fold.backend, store.settings), users, items)


def _lies_between(least: Features, stored: Features | None, most: Features) -> bool:
    """Whether it can be so; where nothing was written meanwhile, the two ends are the same."""
    if stored is None or least == most:
        return stored == most
    return (
        least.impressions <= stored.impressions <= most.impressions
        and least.clicks <= stored.clicks <= most.clicks
    )


def _still(
    views: Views, users: Sequence[str], items: Sequence[str]
) -> tuple[dict[tuple[str, str], Any], Reads, Reads]:
    """The features, and how far the stream was taken before and after they were read."""
    before = views.progress()
    for attempt in range(_STILL_READS):
        found = _features(views, users, items)
        after = views.progress()
        if _applied_offsets(before) == _applied_offsets(after) or attempt + 1 == _STILL_READS:
            break
        before = after
        time.sleep(_STILL_SECONDS)
    return found, before, after


def _begun_since(known: Reads, later: Reads) -> Reads:
    """What was known, and of partitions that are known since: nothing of them was taken."""
    return {
        number: {topic: Progress(place.topic_id, NOTHING, NOTHING) for topic, place in new.items()}
        | dict(known.get(number, {}))
        for number, new in later.items()
    }


def _pause_seconds(store: FeatureStore) -> float:
    """After which the log has what the features have, but where it is late."""
    return store.log_settings.commit_seconds + _LATE_SECONDS


def _applied_offsets(progress: Reads) -> dict[tuple[int, str], tuple[str, int]]:
    return {
        (number, topic): (known.topic_id, known.applied)
        for number, topics in progress.items()
        for topic, known in topics.items()
    }


def _features(
    views: Views, users: Sequence[str], items: Sequence[str]
) -> dict[tuple[str, str], Any]:
    found: dict[tuple[str, str], Any] = {}
    found |= {("user", name): value for name, value in views.users(users).items()}
    found |= {("item", name): value for name, value in views.items(items).items()}
    return found


def _in_parts(names: Iterator[Any]) -> Iterator[list[Any]]:
    while part := list(islice(names, _NAMES_AT_ONCE)):
        yield part
