"""The views that events change, open for one batch after the other."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from adloom.feature_store.backend import OnlineBackend
from adloom.feature_store.entity_key import Key
from adloom.feature_store.lost_rows import LostRows
from adloom.feature_store.marks import Stream
from adloom.feature_store.online import OpenRows
from adloom.feature_store.progress import Progress
from adloom.feature_store.rows import CountsRow, HistoryRow, ImpressionsRow
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.tables import Tables
from adloom.feature_store.user_row import UserRow


class OpenViews:
    """Rows of all views, in memory while they are in use."""

    def __init__(self, backend: OnlineBackend, settings: FeatureStoreSettings) -> None:
        self._tables = tables = Tables(backend)
        self.histories = OpenRows(tables.histories, settings.open_rows)
        self.impressions = OpenRows(tables.impressions, settings.open_rows)
        self.users = OpenRows(tables.users, settings.open_rows)
        self.items = OpenRows(tables.items, settings.open_rows)
        self.partitions = OpenRows(tables.partitions, settings.item_shards)
        self.pages = tables.pages
        self.history_length = settings.history_length
        self.impressions_length = settings.impressions_length
        self.marked = backend.layout.marks != "none"

    def open_users(self, user_ids: Collection[str]) -> dict[Key, UserRow]:
        """Users with all that is known of them. Raises LostRows."""
        users = self.users.open((user_id,) for user_id in user_ids)
        torn = {str(key[0]) for key, row in users.items() if row.counts.torn}
        paged = {str(key[0]): row for key, row in users.items() if row.events.needs_pages}
        if paged:
            for name, pages in self._tables.pages_of(paged).items():
                if all(page.whole for page in pages):
                    paged[name].events.know(pages)
                else:
                    torn.add(name)
        _refuse_torn(torn, users)
        return users

    def open_items(self, keys: Collection[tuple[str, int]]) -> dict[Key, CountsRow]:
        """Items in their shards. Raises LostRows."""
        items = self.items.open(keys)
        torn = {key for key in keys if items[key].torn}
        if torn:
            raise LostRows(items={key: items[key].stored for key in torn})
        return items

    def open_histories(
        self,
        user_ids: Collection[str],
        users: Mapping[Key, UserRow],
        places: Mapping[Stream, Progress],
    ) -> dict[Key, HistoryRow]:
        """Histories of users that are open, of streams that were taken so far. Raises LostRows."""
        histories = self.histories.open((user_id,) for user_id in user_ids)
        torn = {
            user_id
            for user_id in user_ids
            if histories[user_id,].torn
            or (not len(histories[user_id,]) and _should_have_clicks(users[user_id,], places))
        }
        _refuse_torn(torn, users)
        return histories

    def open_impressions(
        self, user_ids: Collection[str], users: Mapping[Key, UserRow]
    ) -> dict[Key, ImpressionsRow]:
        """What users that are open looked at last. Raises LostRows.

        A row that is not there is none that was lost: perhaps they were not kept so far.
        """
        impressions = self.impressions.open((user_id,) for user_id in user_ids)
        _refuse_torn([user_id for user_id in user_ids if impressions[user_id,].torn], users)
        return impressions

    def forget(self) -> None:
        """From now on all rows are read again."""
        for rows in (
            self.histories,
            self.impressions,
            self.users,
            self.items,
            self.partitions,
        ):
            rows.forget()


def _should_have_clicks(user: UserRow, places: Mapping[Stream, Progress]) -> bool:
    """Whether its history is due, and not only cut off from a row that was written before it."""
    if user.marks is not None and user.marks.is_beyond(places, unknown=True):
        return False
    return user.counts.clicks > 0


def _refuse_torn(torn: Collection[str], users: Mapping[Key, UserRow]) -> None:
    if torn:
        raise LostRows({user_id: users[user_id,].counts.stored for user_id in torn})
