"""Rows that the online store lost, folded anew from the event log."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Sequence

from adloom.feature_store.applied import Applied
from adloom.feature_store.backend import Known, OnlineBackend
from adloom.feature_store.entity_key import Key
from adloom.feature_store.event_log import EventLog, LoggedEvent
from adloom.feature_store.folding import Fold
from adloom.feature_store.lost_rows import LostRows
from adloom.feature_store.marks import Stream
from adloom.feature_store.online import OnlineTable, R
from adloom.feature_store.progress import Reads
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.tables import Tables

_log = logging.getLogger(__name__)

_LOG_SECONDS = 20.0
_PAUSE_SECONDS = 0.1


class LogMender:
    """Makes rows anew from those events of the log that are in the features."""

    def __init__(
        self, backend: OnlineBackend, log: EventLog, settings: FeatureStoreSettings
    ) -> None:
        self._backend, self._log, self._settings = backend, log, settings
        self._tables = Tables(backend)
        self._marked = backend.layout.marks != "none"

    def __call__(self, lost: LostRows, besides: Sequence[LoggedEvent], coming: int = 0) -> None:
        """Write the rows as the log has them, unless others changed them meanwhile.

        Args:
            besides: events that the log may have already and the features have not.
            coming: how many records come again that the log does not have yet. Rows that tell what
                is in them take what they have not.

        Raises FeaturesLost where the log knows of fewer events than the rows had;
        StoreUnavailable.
        """
        own = {event.partition for event in besides}
        if self._marked and not self._others_are_done(lost, own):
            return  # what another writer has in hand would be lost: it is tried again
        found = self._found(lost) if self._marked else None
        partitions = self._tables.partitions
        progress = partitions.read((n,) for n in range(self._settings.item_shards))
        as_stored = {partitions.entity_key(key): row.known() for key, row in progress.items()}
        reads = {int(key[0]): row.topics for key, row in progress.items()}
        folded = Fold(self._settings, self._backend.layout)
        events = self._log.of(list(lost.users), list({item_id for item_id, _ in lost.items}))
        folded.take(Applied(self._log).among(events, reads, besides))
        if not folded.has(lost, coming if self._marked else 0):
            raise lost.told()
        known = {partitions.view: as_stored}
        self._backend.write(folded.rows(lost), known, lambda: found or self._found(lost))
        _log.warning("the online store had lost %s: made anew from the event log", lost.named())

    def _others_are_done(self, lost: LostRows, own: Collection[int]) -> bool:
        """Waits until the log has what other writers applied; False where they write these rows."""
        others = [n for n in range(self._settings.item_shards) if n not in own]
        first = self._reads(others)
        until = time.monotonic() + _LOG_SECONDS
        while not self._is_logged(first, now := self._reads(others)) and time.monotonic() < until:
            time.sleep(_PAUSE_SECONDS)
        places = {
            Stream.of(topic, place.topic_id, number): place
            for number, topics in now.items()
            for topic, place in topics.items()
        }
        users = self._tables.users.read((name,) for name in lost.users)
        marks = [row.marks for row in users.values() if row.marks is not None]
        if any(one.is_beyond(places, unknown=False) for one in marks):
            time.sleep(_PAUSE_SECONDS)
            return False
        return True

    def _is_logged(self, applied: Reads, now: Reads) -> bool:
        """Whether the log has by now all that was applied then."""
        for number, topics in applied.items():
            for topic, was in topics.items():
                place = now[number].get(topic)
                if place is None or place.topic_id != was.topic_id or place.done >= was.applied:
                    continue
                logged = self._log.last_offset(topic, was.topic_id, number)
                if logged is None or logged < was.applied:
                    return False
        return True

    def _reads(self, numbers: Collection[int]) -> Reads:
        rows = self._tables.partitions.read((number,) for number in numbers)
        return {int(key[0]): dict(row.topics) for key, row in rows.items()}

    def _found(self, lost: LostRows) -> Known:
        """The counts that the store has now, and the marks of rows that have them."""
        users, items = self._tables.users, self._tables.items
        found: Known = {
            users.view: {
                users.entity_key(key): row.counts.stored_values() | users.stored_marks(row)
                for key, row in users.read((name,) for name in lost.users).items()
            },
            items.view: {
                items.entity_key(key): row.stored_values() | items.stored_marks(row)
                for key, row in items.read(lost.items).items()
            },
        }
        if self._marked:
            names = [(name,) for name in lost.users]
            found = {
                **found,
                **_marks_of(self._tables.histories, names),
                **_marks_of(self._tables.impressions, names),
            }
        return found


def _marks_of(table: OnlineTable[R], keys: Iterable[Key]) -> Known:
    """As the store has them now."""
    return {
        table.view: {
            table.entity_key(key): table.stored_marks(row) for key, row in table.read(keys).items()
        }
    }
