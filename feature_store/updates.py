"""A batch of events into the online features, once each.

Counts, histories and the progress of the partitions are written in one step. Whatever happens
before it changes nothing in the store, and whatever comes again after it is known by its offset,
or by its id. The step fails when rows are not as this writer knows them. Then it looks why: others
write the same rows (it begins again with what is stored, so even a consumer that lost its
partitions long ago does no harm), or rows are lost (they are made anew from the log), or the whole
store is an older one (the reader has to go back).
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Mapping, Sequence

from adloom.feature_store.backend import (
    Known,
    OnlineBackend,
    ProgressMoved,
    Rows,
    WrittenOver,
)
from adloom.feature_store.event_log import LoggedEvent
from adloom.feature_store.lost_rows import LostRows, Mend
from adloom.feature_store.open_batch import OpenBatch, begin
from adloom.feature_store.open_views import OpenViews
from adloom.feature_store.progress import (
    NOTHING,
    Progress,
    ProgressRow,
    Reached,
    TakenBack,
    last_of,
)
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.tables import Tables

_ATTEMPTS = 20
_LONGEST_PAUSE_SECONDS = 0.05


class ContendedPartition(RuntimeError):
    """Others keep writing the same rows."""


class Updates:
    """Applies batches. Threads that share one wait for one another.

    Attributes:
        crossed: events so far of users whose event before came in another partition.
    """

    def __init__(
        self, backend: OnlineBackend, settings: FeatureStoreSettings, mend: Mend | None = None
    ) -> None:
        """Write to a backend; `mend` makes lost rows anew, without it they are an error."""
        self.crossed = 0
        self._backend = backend
        self._views = OpenViews(backend, settings)
        self._mend = mend
        self._shards = settings.item_shards
        self._settled: dict[tuple[str, int], Reached] = {}
        self._written: dict[tuple[str, int], Progress] = {}
        # By partition: what comes again since reading was placed, after the first up to the last.
        self._again: dict[tuple[str, int], tuple[int, int]] = {}
        self._lock = threading.Lock()

    def apply(self, events: Sequence[LoggedEvent], reached: Sequence[Reached] = ()) -> int:
        """Takes events, of each partition in the order of their offsets.

        Returns the number of rows written. Raises StoreUnavailable, ContendedPartition,
        ProgressMoved, FeaturesLost.
        """
        if not events and not reached:
            return 0
        with self._lock:
            return self._apply_all(events, reached)

    def settle(self, reached: Iterable[Reached]) -> None:
        """Notes that all up to there is logged and buried; the next write tells the store."""
        with self._lock:
            self._settled |= {(place.topic, place.partition): place for place in reached}

    def save_progress(self) -> None:
        """Tells the store what is settled. Raises as `apply` does."""
        with self._lock:
            if self._settled:
                self._apply_all((), ())

    def progress(self, partitions: Iterable[int]) -> dict[int, dict[str, Progress]]:
        """By number of the partition and topic, as stored. Raises StoreUnavailable.

        From here on this is what the store is held against.
        """
        with self._lock:
            self._views.forget()
            rows = self._views.partitions.open((number,) for number in partitions)
            found = {int(key[0]): dict(row.topics) for key, row in rows.items()}
            for number, topics in found.items():
                self._believe(number, topics)
                for topic, place in topics.items():
                    self._again[topic, number] = (place.done, place.applied)
            return found

    def check(self) -> int:
        """How many rows the store should have and has not, as far as it can count them.

        Raises ProgressMoved when the store is behind what was written; StoreUnavailable.
        """
        with self._lock:
            numbers = range(self._shards)
            rows = self._views.partitions.table.read((number,) for number in numbers)
            present = self._backend.entities()  # asked for later: it can only have grown
            self._refuse_older({number: rows[number,] for number in numbers})
        made = [row.entities for row in rows.values()]
        total = sum(number for number in made if number is not None)
        total -= max(TakenBack.of(row.taken_back).entities for row in rows.values())
        if present is None or None in made:
            return 0
        return max(0, total - present)

    def _apply_all(self, events: Sequence[LoggedEvent], reached: Sequence[Reached]) -> int:
        for attempt in range(_ATTEMPTS):
            try:
                batch = self._batch(events, reached)
                rows = batch.changes()
                found = self._write(batch, rows)
            except LostRows as torn:
                self._views.forget()
                self._make_anew(torn, events)
                continue
            except BaseException:
                self._views.forget()  # what is open may be ahead of what is stored
                raise
            if not found:
                self._note_read([*last_of(events), *reached])
                return self._note_written(batch, rows)
            lost = batch.lost(found)
            self._views.forget()
            if lost:
                self._make_anew(lost, events)
            else:  # others write the same rows: who waits a little lets them finish
                time.sleep(random.uniform(0, _LONGEST_PAUSE_SECONDS) * min(attempt, 4) / 4)
        raise ContendedPartition("other consumers keep writing the features of this one's events")

    def _batch(self, events: Sequence[LoggedEvent], reached: Sequence[Reached]) -> OpenBatch:
        reached = [*last_of(events), *reached]
        numbers = {place.partition for place in reached or self._settled.values()}
        batch = begin(self._views, numbers)
        self._refuse_older({number: batch.partitions[number,] for number in numbers})
        settled = [place for place in self._settled.values() if place.partition in numbers]
        batch.take(events, reached, settled)
        return batch

    def _write(self, batch: OpenBatch, rows: Rows) -> Known:
        """Raises LostRows where another writer's rows may lie under those that were written."""
        try:
            return self._backend.write(rows, batch.known, batch.cached)
        except WrittenOver:
            raise batch.written_over() from None

    def _note_written(self, batch: OpenBatch, rows: Rows) -> int:
        batch.note_stored()
        self.crossed += batch.crossed
        for key, row in batch.partitions.items():
            self._believe(int(key[0]), row.topics)
        for place in batch.settled:
            if self._settled.get((place.topic, place.partition)) == place:
                del self._settled[place.topic, place.partition]
        return sum(len(changed) for changed in rows.values()) - len(batch.partitions)

    def _note_read(self, reached: Iterable[Reached]) -> None:
        for place in reached:
            at, end = self._again.get((place.topic, place.partition), (NOTHING, NOTHING))
            if place.offset >= end:
                self._again.pop((place.topic, place.partition), None)
            else:
                self._again[place.topic, place.partition] = (max(at, place.offset), end)

    def _believe(self, number: int, topics: Mapping[str, Progress]) -> None:
        for topic in [topic for topic, partition in self._written if partition == number]:
            del self._written[topic, number]
        self._written |= {(topic, number): place for topic, place in topics.items()}

    def _refuse_older(self, rows: Mapping[int, ProgressRow]) -> None:
        """Raises ProgressMoved, once, where this writer wrote more than the rows have."""
        stored = {number: row.topics for number, row in rows.items()}
        behind = [
            (topic, number)
            for (topic, number), place in self._written.items()
            if number in stored and _is_behind(stored[number].get(topic), place)
        ]
        if behind:
            for place in behind:
                del self._written[place]
                self._settled.pop(place, None)  # it stands for more than the features have now
            names = ", ".join(f"{topic}/{number}" for topic, number in sorted(behind))
            raise ProgressMoved(f"the online features are older than they were: {names}")

    def _make_anew(self, lost: LostRows, events: Sequence[LoggedEvent]) -> None:
        if self._mend is None:
            raise lost.told()
        coming = sum(max(0, end - at) for at, end in self._again.values())
        self._mend(lost, events, coming)


def _is_behind(stored: Progress | None, written: Progress) -> bool:
    """Another topic id is no sign of it: the topic may have been made anew."""
    if stored is None:
        return True
    return stored.topic_id == written.topic_id and stored.applied < written.applied


def stored_progress(backend: OnlineBackend, settings: FeatureStoreSettings) -> Known:
    """The progress of all partitions as the store has it. Raises StoreUnavailable."""
    table = Tables(backend).partitions
    rows = table.read((number,) for number in range(settings.item_shards))
    return {table.view: {table.entity_key(key): row.known() for key, row in rows.items()}}
