"""What one batch of events changes in the views."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

from adloom.feature_store.backend import Known, Row, Rows
from adloom.feature_store.entity_key import Key
from adloom.feature_store.event_log import FILE_TOPIC, WITHOUT_FEATURES, LoggedEvent
from adloom.feature_store.lost_rows import Least, LostRows
from adloom.feature_store.marks import RowMarks, Stream
from adloom.feature_store.online import OnlineTable, OpenRows, R
from adloom.feature_store.open_views import OpenViews
from adloom.feature_store.progress import Progress, ProgressRow, Reached
from adloom.feature_store.rows import CountsRow, HistoryRow, ImpressionsRow
from adloom.feature_store.user_row import UserRow

_source = attrgetter("partition", "topic", "topic_id")


def begin(views: OpenViews, numbers: Collection[int]) -> OpenBatch:
    """A batch of records of these partitions."""
    partitions = views.partitions.open((number,) for number in numbers)
    as_stored = {views.partitions.entity_key(key): row.known() for key, row in partitions.items()}
    places = {
        Stream.of(topic, place.topic_id, int(key[0])): place
        for key, row in partitions.items()
        for topic, place in row.topics.items()
    }
    known = {views.partitions.table.view: as_stored}
    return OpenBatch(views, partitions, known, places if views.marked else {})


@dataclass
class OpenBatch:
    """What one batch changes.

    Attributes:
        known: the progress of its partitions as it was.
        places: the same by stream, where rows have marks.
        settled: what is told to be done with it.
        crossed: events of users whose event before came in another partition.
    """

    views: OpenViews
    partitions: dict[Key, ProgressRow]
    known: Known
    places: Mapping[Stream, Progress]
    settled: Sequence[Reached] = ()
    users: dict[Key, UserRow] = field(default_factory=dict)
    items: dict[Key, CountsRow] = field(default_factory=dict)
    histories: dict[Key, HistoryRow] = field(default_factory=dict)
    impressions: dict[Key, ImpressionsRow] = field(default_factory=dict)
    crossed: int = 0

    def take(
        self,
        events: Sequence[LoggedEvent],
        reached: Sequence[Reached],
        settled: Sequence[Reached],
    ) -> None:
        """Brings the rows up to date in memory. Raises LostRows."""
        views, partitions = self.views, self.partitions
        new = list[LoggedEvent]()
        for (number, topic, topic_id), run in groupby(events, key=_source):
            new += partitions[number,].advance(topic, topic_id, run)
        for place in reached:
            partitions[place.partition,].reach(place)
        for place in settled:
            partitions[place.partition,].settle(place)
        self.settled = settled
        if views.marked:  # a row that was made anew may lack what the others have
            self._take_by_marks([one for one in events if one.kind != WITHOUT_FEATURES])
        else:
            self._take_all([one for one in new if one.kind != WITHOUT_FEATURES])

    def _take_all(self, events: Sequence[LoggedEvent]) -> None:
        views = self.views
        users = self.users = views.open_users(dict.fromkeys(event.user_id for event in events))
        clickers = dict.fromkeys(event.user_id for event in events if event.kind == "click")
        histories = self.histories = views.open_histories(clickers, users, self.places)
        impressions = self._open_impressions(events)
        of_items = defaultdict[tuple[str, int], list[int]](_neither)  # impressions and clicks
        by_id = {key[0]: user for key, user in users.items()}
        for event in events:
            user = by_id[event.user_id]
            if not user.events.add(event):
                continue
            self._count_for_user(user, event)
            is_click = event.kind == "click"
            if is_click:
                histories[event.user_id,].add(event, views.history_length)
            elif views.impressions_length and _is_look(event):
                impressions[event.user_id,].add(event, views.impressions_length)
            of_items[event.item_id, event.partition][is_click] += 1
        self.items = views.open_items(of_items)
        for key, (seen, clicked) in of_items.items():
            self.items[key].impressions += seen
            self.items[key].clicks += clicked

    def _take_by_marks(self, events: Sequence[LoggedEvent]) -> None:
        """Every row takes what it has not; its user's row says whether an event counts."""
        views, length = self.views, self.views.history_length
        users = self.users = views.open_users(dict.fromkeys(event.user_id for event in events))
        clickers = dict.fromkeys(event.user_id for event in events if event.kind == "click")
        histories = self.histories = views.open_histories(clickers, users, self.places)
        impressions = self._open_impressions(events)
        # Kafka gives again what is not done; what is older comes from a writer that is behind.
        done = {stream: place.done for stream, place in self.places.items()}
        for user in users.values():
            _marks(user).forget_duplicates(done)
        items = self.items = views.open_items(
            dict.fromkeys((event.item_id, event.partition) for event in events)
        )
        streams = dict[tuple[str, str, int], Stream]()
        for event in events:
            place = (event.topic, event.topic_id, event.partition)
            stream = streams.get(place) or streams.setdefault(place, Stream.of(*place))
            user, marks = users[event.user_id,], _marks(users[event.user_id,])
            if not marks.has(stream, event.offset):
                if user.events.add(event):
                    self._count_for_user(user, event)
                else:
                    marks.note_duplicate(stream, event.offset)
                marks.note(stream, event.offset)
            counts = not marks.is_duplicate(stream, event.offset)
            item = items[event.item_id, event.partition]
            if _marks(item).note(stream, event.offset) and counts:
                item.count(event)
            if event.kind == "click":
                history = histories[event.user_id,]
                if _marks(history).note(stream, event.offset) and counts:
                    history.add(event, length)
            elif views.impressions_length and _is_look(event):
                seen = impressions[event.user_id,]
                if _marks(seen).note(stream, event.offset) and counts:
                    seen.add(event, views.impressions_length)

    def _open_impressions(self, events: Sequence[LoggedEvent]) -> dict[Key, ImpressionsRow]:
        """Of users who look at ads in these events; none where they are not kept."""
        if self.views.impressions_length:
            looking = dict.fromkeys(event.user_id for event in events if _is_look(event))
            self.impressions = self.views.open_impressions(looking, self.users)
        return self.impressions

    def _count_for_user(self, user: UserRow, event: LoggedEvent) -> None:
        user.counts.count(event)
        known = user.events
        if known.partition != event.partition and event.topic != FILE_TOPIC:
            self.crossed += known.partition is not None
            known.partition = event.partition

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
        if self.impressions:
            rows[views.impressions.table.view] = _changes(views.impressions, self.impressions)
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
                users.entity_key(key): row.counts.stored_values() | users.table.stored_marks(row)
                for key, row in self.users.items()
            },
            items.table.view: {
                items.entity_key(key): row.stored_values() | items.table.stored_marks(row)
                for key, row in self.items.items()
            },
            **_marks_of(self.views.histories, self.histories),
            **_marks_of(self.views.impressions, self.impressions),
        }

    def written_over(self) -> LostRows:
        """All its rows, where another writer may have written them in between."""
        return LostRows(
            {str(key[0]): (0, 0) for key in self.users}, {_item(key): (0, 0) for key in self.items}
        )

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
        views = self.views
        for row in self.users.values():
            row.counts.note_stored()
            row.events.full.clear()
            views.users.table.note_stored(row)
        for counts in self.items.values():
            counts.note_stored()
            views.items.table.note_stored(counts)
        for history in self.histories.values():
            views.histories.table.note_stored(history)
        for impressions in self.impressions.values():
            views.impressions.table.note_stored(impressions)


def _neither() -> list[int]:
    return [0, 0]


def _changes(rows: OpenRows[R], opened: Mapping[Key, R]) -> dict[bytes, Row]:
    changes = rows.table.changes
    return {rows.entity_key(key): changes(row) for key, row in opened.items()}


def _is_look(event: LoggedEvent) -> bool:
    """Whether a user looked at an ad: who was only sent one (an exposure) perhaps did not."""
    return event.kind == "impression" and bool(event.ad_id)


def _marks_of(rows: OpenRows[R], opened: Mapping[Key, R]) -> Known:
    """As stored. Where a batch is one step, the counts of their users stand for them."""
    table = rows.table
    if not (table.marked and opened):
        return {}
    return {
        table.view: {rows.entity_key(key): table.stored_marks(row) for key, row in opened.items()}
    }


def _marks(row: UserRow | CountsRow | HistoryRow) -> RowMarks:
    assert row.marks is not None
    return row.marks


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
