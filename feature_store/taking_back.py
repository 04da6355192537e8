"""Events out of the online features again: users that are forgotten, days that are over.

What is in the features is known by fingerprints in the users' rows, which change in the same step
as all counts: whatever is taken out twice, after a crash or beside another process, counts once.
Consumers find a new mark in the rows of their partitions, and read anew what they have open.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from adloom.feature_store.backend import OnlineBackend, Row
from adloom.feature_store.entity_key import Key
from adloom.feature_store.event_log import WITHOUT_FEATURES, LoggedEvent
from adloom.feature_store.known_events import PageRow, fingerprint_of
from adloom.feature_store.online import OnlineTable, R
from adloom.feature_store.progress import TakenBack
from adloom.feature_store.rows import CountsRow
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.tables import Tables
from adloom.feature_store.updates import ContendedPartition
from adloom.feature_store.user_row import UserRow

_ATTEMPTS = 200
_LONGEST_PAUSE_SECONDS = 0.2


def take_back(
    backend: OnlineBackend,
    settings: FeatureStoreSettings,
    events: Sequence[LoggedEvent],
    whole_users: Collection[str] = (),
) -> int:
    """Takes events out of the features, as far as they are in them, in one step.

    Args:
        events: records of the log, in the order that `EventLog.of` and `EventLog.batches` have.
        whole_users: whose rows go altogether; ``events`` are all that the log has of them.

    Rows that tell themselves how far the stream is in them, as those of a Redis Cluster, cannot be
    made less beside consumers: of these the rows of ``whole_users`` go, and `is_exact` is false.

    Returns how many events were in the features. Raises StoreUnavailable; ContendedPartition where
    others keep writing the same rows.
    """
    if not is_exact(backend):
        return _drop_users(backend, whole_users)
    for attempt in range(_ATTEMPTS):
        taking = _Taking(Tables(backend), settings.item_shards)
        taking.open(events, whole_users)
        if not taking.changes_any:
            return 0
        taking.take()
        if taking.written(backend):
            return len(taking.counted)
        time.sleep(random.uniform(0, _LONGEST_PAUSE_SECONDS) * min(attempt, 10) / 10)
    raise ContendedPartition("consumers keep writing the features that are to be taken out")


def is_exact(backend: OnlineBackend) -> bool:
    """Whether counts of items become what they would be without what is taken out."""
    return backend.layout.marks == "none"


def _drop_users(backend: OnlineBackend, users: Collection[str]) -> int:
    if not backend.deletes:
        return 0
    tables = Tables(backend)
    found = tables.users.read((name,) for name in users)
    rows = {str(key[0]): row for key, row in found.items() if not row.counts.is_new}
    names = [tables.users.entity_key((name,)) for name in users]
    gone = {
        tables.pages.view: [
            tables.pages.entity_key((number, name))
            for name, row in rows.items()
            for number in range(row.events.pages)
        ],
        tables.users.view: names,
        tables.histories.view: names,
        tables.impressions.view: names,
    }
    backend.write({}, {}, dict, {view: keys for view, keys in gone.items() if keys})
    return sum(row.counts.impressions + row.counts.clicks for row in rows.values())


@dataclass
class _Taking:
    """One try.

    Attributes:
        counted: events that are in the features, each once.
    """

    tables: Tables
    shards: int
    counted: list[LoggedEvent] = field(default_factory=list)
    users: dict[Key, UserRow] = field(default_factory=dict)
    pages: dict[str, list[PageRow]] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    items: dict[Key, CountsRow] = field(default_factory=dict)
    _rows: dict[str, dict[bytes, Row]] = field(default_factory=dict)
    _known: dict[str, dict[bytes, Mapping[str, bytes | None]]] = field(default_factory=dict)
    _gone: dict[str, list[bytes]] = field(default_factory=dict)

    def open(self, events: Sequence[LoggedEvent], whole_users: Collection[str]) -> None:
        """Reads the rows, and finds which events are in them."""
        events = [event for event in events if event.kind != WITHOUT_FEATURES]
        names = dict.fromkeys([*(event.user_id for event in events), *whole_users])
        found = self.tables.users.read((name,) for name in names)
        self.users = {key: row for key, row in found.items() if not row.counts.is_new}
        self.pages = self.tables.pages_of({str(key[0]): row for key, row in self.users.items()})
        self.whole = {str(key[0]) for key in self.users}.intersection(whole_users)
        left = {
            str(key[0]): row.events.all(self.pages[str(key[0])]) for key, row in self.users.items()
        }
        for event in events:
            fingerprint = fingerprint_of(event)
            if fingerprint in left.get(event.user_id, ()):
                left[event.user_id].remove(fingerprint)
                self.counted.append(event)
        keys = dict.fromkeys((event.item_id, event.partition) for event in self.counted)
        self.items = dict(self.tables.items.read(keys))

    @property
    def changes_any(self) -> bool:
        """Whether there is anything to take out."""
        return bool(self.counted or self.whole)

    def take(self) -> None:
        """Works out what is written, what goes, and what has to be so until then."""
        self._take_users()
        for event in self.counted:
            self.items[event.item_id, event.partition].count(event, -1)
        table = self.tables.items
        self._expect(table, {key: row.stored_values() for key, row in self.items.items()})
        for key, row in self.items.items():
            if row.impressions or row.clicks:
                self._write(table, key, row.to_values())
            elif not row.is_new:
                self._delete(table, [key])

    def _take_users(self) -> None:
        tables = self.tables
        by_user: dict[str, list[LoggedEvent]] = {str(key[0]): [] for key in self.users}
        for event in self.counted:
            by_user[event.user_id].append(event)
        touched = {key: row for key, row in self.users.items() if by_user[str(key[0])]}
        touched |= {key: row for key, row in self.users.items() if str(key[0]) in self.whole}
        self._expect(
            tables.users,
            {
                key: {**row.counts.stored_values(), "recent_events": row.known_events()}
                for key, row in touched.items()
            },
        )
        histories = tables.histories.read(touched)
        impressions = tables.impressions.read(touched)
        for key, row in touched.items():
            name = str(key[0])
            pages = [(number, name) for number in range(len(self.pages[name]))]
            taken = {fingerprint_of(event) for event in by_user[name]}
            kept = row.events.without(taken, self.pages[name])
            self._delete(tables.pages, pages[kept.pages :])
            if name in self.whole or not kept.all(list(kept.full.values())):
                self._delete(tables.pages, pages[: kept.pages])
                self._delete(tables.users, [key])
                self._delete(tables.histories, [key])
                self._delete(tables.impressions, [key])
                continue
            for number, page in kept.full.items():
                self._write(tables.pages, (number, name), page.to_values())
            for event in by_user[name]:
                row.counts.count(event, -1)
            self._write(tables.users, key, UserRow(row.counts, kept).to_values())
            histories[key].remove([event for event in by_user[name] if event.kind == "click"])
            self._write(tables.histories, key, histories[key].to_values())
            if len(impressions[key]):
                looks = [event for event in by_user[name] if event.kind == "impression"]
                impressions[key].remove(looks)
                self._write(tables.impressions, key, impressions[key].to_values())

    def written(self, backend: OnlineBackend) -> bool:
        """Writes all of it with a new mark; False where others changed the rows meanwhile."""
        table = self.tables.partitions
        progress = table.read((number,) for number in range(self.shards))
        marked = {key: row for key, row in progress.items() if row.known() != type(row)().known()}
        # Clicks and impressions are of the same entity as their user's counts.
        same = {self.tables.histories.view, self.tables.impressions.view}
        counted = (keys for view, keys in self._gone.items() if view not in same)
        before = {TakenBack.of(row.taken_back) for row in marked.values()} or {TakenBack()}
        so_far = max(taken.entities for taken in before)
        mark = TakenBack(uuid.uuid4().hex, so_far + sum(map(len, counted)))
        for key, row in marked.items():
            self._write(table, key, {"taken_back": mark.stored()})
            self._known.setdefault(table.view, {})[table.entity_key(key)] = {
                "taken_back": row.taken_back
            }
        return not backend.write(self._rows, self._known, dict, self._gone)

    def _expect(
        self, table: OnlineTable[R], values: Mapping[Key, Mapping[str, bytes | None]]
    ) -> None:
        if values:
            self._known[table.view] = {table.entity_key(key): row for key, row in values.items()}

    def _write(self, table: OnlineTable[R], key: Key, values: Row) -> None:
        self._rows.setdefault(table.view, {})[table.entity_key(key)] = values

    def _delete(self, table: OnlineTable[R], keys: Sequence[Key]) -> None:
        self._gone.setdefault(table.view, []).extend(map(table.entity_key, keys))
