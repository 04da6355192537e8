"""Features as an online store has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from adloom.feature_store.backend import OnlineBackend
from adloom.feature_store.entity_key import names_of
from adloom.feature_store.progress import Reads
from adloom.feature_store.rows import CountsRow, UserHistory
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.tables import Tables


class UserFeatures(NamedTuple):
    """What is known of a user."""

    impressions: int
    clicks: int
    history: UserHistory


class ItemFeatures(NamedTuple):
    """Counts of an item, over all shards."""

    impressions: int
    clicks: int


class Views:
    """The views of a store by names; None for a row of which a part is gone."""

    def __init__(self, backend: OnlineBackend, settings: FeatureStoreSettings) -> None:
        self.backend = backend
        self._shards = range(settings.item_shards)
        self._tables = Tables(backend)

    def progress(self) -> Reads:
        """Raises StoreUnavailable."""
        rows = self._tables.partitions.read((number,) for number in self._shards)
        return {int(key[0]): dict(row.topics) for key, row in rows.items()}

    def users(self, names: Iterable[str]) -> dict[str, UserFeatures | None]:
        """Zeros for a user who is not known. Raises StoreUnavailable."""
        names = list(names)
        rows = self._tables.users.read((name,) for name in names)
        histories = self._tables.histories.read((name,) for name in names)
        impressions = self._tables.impressions.read((name,) for name in names)
        pages = self._tables.pages_of({name: rows[name,] for name in names})
        torn = {name for name in names if not all(page.whole for page in pages[name])}
        return {
            name: None
            if name in torn
            or rows[name,].counts.torn
            or histories[name,].torn
            or impressions[name,].torn
            else UserFeatures(
                rows[name,].counts.impressions,
                rows[name,].counts.clicks,
                replace(histories[name,].history(), seen=impressions[name,].seen()),
            )
            for name in names
        }

    def items(self, names: Iterable[str]) -> dict[str, ItemFeatures | None]:
        """Zeros for an item that is not known. Raises StoreUnavailable."""
        names = list(names)
        rows = self._tables.items.read((name, shard) for name in names for shard in self._shards)
        return {name: _item([rows[name, shard] for shard in self._shards]) for name in names}


def user_names(backend: OnlineBackend, view: str = "user_stats") -> Iterator[str]:
    """Users that have a row of counts, or of another view of users. Raises StoreUnavailable."""
    names = names_of(backend.layout.views[view])
    for key, _ in backend.rows(view):
        yield str(names(key)[0])


def item_rows(backend: OnlineBackend) -> Iterator[tuple[str, CountsRow]]:
    """The counts of every item in every shard. Raises StoreUnavailable."""
    names = names_of(backend.layout.views["item_stats"])
    for key, values in backend.rows("item_stats"):
        yield str(names(key)[0]), CountsRow.from_values(values)


def lists_its_rows(backend: OnlineBackend) -> bool:
    """Whether all rows can be gone through, and not only read by key."""
    return backend.layout.marks != "sealed"


def item_rows_at(
    backend: OnlineBackend, keys: Iterable[tuple[str, int]]
) -> Iterator[tuple[str, CountsRow]]:
    """The counts of these items and shards that are there. Raises StoreUnavailable."""
    for key, row in Tables(backend).items.read(keys).items():
        if not row.is_new:
            yield str(key[0]), row


def item_keys(backend: OnlineBackend) -> Iterator[tuple[str, int]]:
    """The items of all shards. Raises StoreUnavailable."""
    names = names_of(backend.layout.views["item_stats"])
    for key, _ in backend.rows("item_stats"):
        item_id, shard = names(key)
        yield str(item_id), int(shard)


def item_names(backend: OnlineBackend) -> set[str]:
    """Items that have a row. Raises StoreUnavailable."""
    return {name for name, _ in item_rows(backend)}


def _item(shards: list[CountsRow]) -> ItemFeatures | None:
    if any(shard.torn for shard in shards):
        return None
    return ItemFeatures(
        sum(shard.impressions for shard in shards), sum(shard.clicks for shard in shards)
    )
