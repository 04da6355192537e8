"""The views that events change, open for one batch after the other."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from adloom.feature_store.backend import Known, OnlineBackend, Row, Rows
from adloom.feature_store.entity_key import Key
from adloom.feature_store.event_log import FILE_TOPIC, WITHOUT_FEATURES, LoggedEvent
from adloom.feature_store.lost_rows import Least, LostRows
from adloom.feature_store.online import OnlineTable, OpenRows, R
from adloom.feature_store.progress import ProgressRow, Reached
from adloom.feature_store.rows import CountsRow, HistoryRow, UserRow
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.tables import Tables


class OpenViews:
    """Rows of all views, in memory while they are in use."""

    def __init__(self, backend: OnlineBackend, settings: FeatureStoreSettings) -> None:
        self._tables = tables = Tables(backend)
        self.histories = OpenRows(tables.histories, settings.open_rows)
        self.users = OpenRows(tables.users, settings.open_rows)
        self.items = OpenRows(tables.items, settings.open_rows)
        self.partitions = OpenRows(tables.partitions, settings.item_shards)
        self.pages = tables.pages
        self.history_length = settings.history_length

    def begin(self, numbers: Collection[int]) -> OpenBatch:
        """A batch of records of these partitions."""
        partitions = self.partitions.open((number,) for number in numbers)
        as_stored = {
            self.partitions.entity_key(key): row.known() for key, row in partitions.items()
        }
        return OpenBatch(self, partitions, {self.partitions.table.view: as_stored})

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
        self, user_ids: Collection[str], users: Mapping[Key, UserRow]
    ) -> dict[Key, HistoryRow]:
        """Histories of users that are open. Raises LostRows."""
        histories = self.histories.open((user_id,) for user_id in user_ids)
        torn = {
            user_id
            for user_id in user_ids
            if histories[user_id,].torn
            or (users[user_id,].counts.clicks > 0 and not len(histories[user_id,]))
        }
        _refuse_torn(torn, users)
        return histories

    def forget(self) -> None:
        """From now on all rows are read again."""
        for rows in (self.histories, self.users, self.items, self.partitions):
            rows.forget()


@dataclass
class OpenBatch:
    """What one batch changes.

    Attributes:
        known: the progress of its partitions as it was.
        settled: what is told to be done with it.
        crossed: events of users whose event before came in another partition.
    """

    views: OpenViews
    partitions: dict[Key, ProgressRow]
    known: Known
    settled: Sequence[Reached] = ()
    users: dict[Key, UserRow] = field(default_factory=dict)
    items: dict[Key, CountsRow] = field(default_factory=dict)
    histories: dict[Key, HistoryRow] = field(default_factory=dict)
    crossed: int = 0

    def take(
        self,
        events: Sequence[LoggedEvent],
        reached: Sequence[Reached],
        settled: Sequence[Reached],
    ) -> None:
        """Brings the rows up to date in memory. Raises LostRows."""
        views, partitions = self.views, self.partitions
        events = [
            event
            for event in events
            if partitions[event.partition,].advance(event) and event.kind != WITHOUT_FEATURES
        ]
        for place in reached:
            partitions[place.partition,].reach(place)
        for place in settled:
            partitions[place.partition,].settle(place)
        self.settled = settled
        users = self.users = views.open_users(dict.fromkeys(event.user_id for event in events))
        clickers = dict.fromkeys(event.user_id for event in events if event.kind == "click")
        histories = self.histories = views.open_histories(clickers, users)
        events = [event for event in events if users[event.user_id,].events.add(event)]
        items = self.items = views.open_items(
            dict.fromkeys((event.item_id, event.partition) for event in events)
        )
        for event in events:
            user = users[event.user_id,]
            user.counts.count(event)
            items[event.item_id, event.partition].count(event)
            if event.topic != FILE_TOPIC and user.events.partition != event.partition:
                self.crossed += user.events.partition is not None
                user.events.partition = event.partition
            if event.kind == "click":
                histories[event.user_id,].add(event, views.history_length)

    def changes(self) -> Rows:
        """What has to be written."""
        views = self.views
        self._count_entities()
        rows = {
            views.partitions.table.view: _changes(views.partitions, self.partitions),
            views.users.table.view: _changes(views.users, self.users),
            views.items.table.view: _changes(views.items, self.items),
            views.histories.table.view: _changes(views.histories, self.histories),
        }
        pages = views.pages
        full = {
            pages.entity_key((number, str(key[0]))): page.to_values()
            for key, row in self.users.items()
            for number, page in row.events.full.items()
        }
        return rows | {pages.view: full} if full else rows

    def _count_entities(self) -> None:
        """In one of the progress rows, whichever: their sum counts."""
        new = sum(row.counts.is_new + len(row.events.full) for row in self.users.values())
        new += sum(row.is_new for row in self.items.values())
        for row in self.partitions.values():
            if row.entities is not None:
                row.entities += new + (row.entities == 0)
            new = 0

    def cached(self) -> Known:
        """The counts as the store should have them: every event changes those of its rows."""
        users, items = self.views.users, self.views.items
        return {
            users.table.view: {
                users.entity_key(key): row.counts.stored_values() for key, row in self.users.items()
            },
            items.table.view: {
                items.entity_key(key): row.stored_values() for key, row in self.items.items()
            },
        }

    def lost(self, found: Known) -> LostRows | None:
        """Rows that the store has not any more, or has older than they were."""
        if self.views.partitions.table.view in found:
            return None  # then nothing is sure
        users, items = self.views.users.table, self.views.items.table
        counts = {key: row.counts for key, row in self.users.items()}
        lost = LostRows(
            {str(key[0]): least for key, least in _older(users, counts, found).items()},
            {_item(key): least for key, least in _older(items, self.items, found).items()},
        )
        return lost or None

    def note_stored(self) -> None:
        """All of it is in the store now."""
        for row in self.users.values():
            row.counts.note_stored()
            row.events.full.clear()
        for counts in self.items.values():
            counts.note_stored()


def _changes(rows: OpenRows[R], opened: Mapping[Key, R]) -> dict[bytes, Row]:
    return {rows.entity_key(key): row.changes() for key, row in opened.items()}


def _refuse_torn(torn: Collection[str], users: Mapping[Key, UserRow]) -> None:
    if torn:
        raise LostRows({user_id: users[user_id,].counts.stored for user_id in torn})


def _older(table: OnlineTable[R], rows: Mapping[Key, CountsRow], found: Known) -> dict[Key, Least]:
    """Rows of which the store has less than it had, with what it had."""
    other = found.get(table.view, {})
    older = {}
    for key, row in rows.items():
        values = other.get(table.entity_key(key))
        if values is not None and row.is_more_than(values):
            older[key] = row.stored
    return older


def _item(key: Key) -> tuple[str, int]:
    item_id, shard = key  # type: ignore[misc]
    return str(item_id), int(shard)
