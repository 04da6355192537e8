"""Events from Kafka into the feature store, each with effect exactly once.

A batch goes through these steps: the online features are written while the events are logged, then
dead letters are produced and acknowledged, then the batch is done. How far all that is, is part of
the features: a member reads on there, and Kafka's committed offsets are only for the tools that
show lag. Whatever step is the last before a crash, the batch comes again, and every step knows
what it has done already. A member that lost its partitions and goes on writing is kept out by the
feature store.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from types import TracebackType
from typing import Self

from kafka import TopicPartition
from kafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaError,
    LogTruncationError,
    OffsetOutOfRangeError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from adloom.feature_store.progress import Reached
from adloom.feature_store.store import FeaturesLost, FeatureStore, ProgressMoved
from adloom.stream import metrics
from adloom.stream.batch import Batch, Records, read_batch
from adloom.stream.condition import Condition, ConsumerState
from adloom.stream.counts import Counts, tell_metrics
from adloom.stream.crossing import Crossing
from adloom.stream.event_reader import EventReader
from adloom.stream.event_settings import EventSettings
from adloom.stream.fetches import Fetches, UnreadablePartition
from adloom.stream.holds import Holds
from adloom.stream.member import lag_of, offsets_after, open_member
from adloom.stream.outages import OUTAGES
from adloom.stream.partitions import TooFewShards, UnevenTopics
from adloom.stream.placing import Places
from adloom.stream.producer import DeliveryFailed, EventProducer
from adloom.stream.running import run_until
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import EventTopics, dead_letter_topic, event_topics

_REBALANCED = (
    CommitFailedError,
    IllegalGenerationError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

_log = logging.getLogger(__name__)

_LAG_EVERY_SECONDS = 0.5  # under load: it takes a millisecond
_TIDY_EVERY_SECONDS = 1.0
_PATIENCE_SECONDS = 5.0  # with a broker that does not answer
_CLOSING_SECONDS = 2.0


class EventConsumer:
    """One member of the consumer group. Use it from one thread; the properties from any."""

    def __init__(
        self, kafka: KafkaSettings, store: FeatureStore, own_events: EventSettings | None = None
    ) -> None:
        """Joins the group at the first `poll`.

        Args:
            own_events: how events in the shop's form are read; None = all are in adloom's own.

        Raises BrokerUnavailable; TooFewShards; ValueError when nothing tells apart kinds of
        events that share a topic.
        """
        self._kafka = kafka
        self._store = store
        self._reader = EventReader(kafka, own_events)
        self._topics = EventTopics(kafka, patience_seconds=_PATIENCE_SECONDS)
        with suppress(UnevenTopics):  # time heals it: poll says so as long as it is so
            self._topic_ids()
        self._dead_letters = EventProducer(kafka, patience_seconds=_PATIENCE_SECONDS)
        self._consumer = open_member(kafka)
        Fetches(self._consumer)
        self._condition = Condition()
        self._crossing = Crossing(self._condition.notes)
        self._holds = Holds()
        self._places = Places(self._consumer, store, self._condition.notes)
        self._consumer.subscribe(list(event_topics(kafka)), listener=self._places)
        self._logger = ThreadPoolExecutor(max_workers=1, thread_name_prefix="log")
        self._owed: set[TopicPartition] = set()  # partitions whose last batch failed
        self._counts = Counts()
        self._lag, self._lag_due, self._tidy_due = 0, 0.0, 0.0

    @property
    def ready(self) -> bool:
        """Whether broker and store answered the last time and no batch waits to be repeated."""
        return self.state.ready

    @property
    def state(self) -> ConsumerState:
        """Whether it is ready, why not, and what someone should see to."""
        return self._condition.state

    @property
    def has_partitions(self) -> bool:
        """Whether the group has given this member something to read, and it knows where."""
        return bool(self._places.known)

    @property
    def counts(self) -> Counts:
        """A snapshot, taken between batches."""
        return self._counts

    @property
    def lag(self) -> int:
        """Offsets in the partitions of this member that are not in the features yet.

        As the broker told with the last fetch; the sum over all members is the group's lag. What
        transactions that are still open have sent counts, and their marks count as one each.
        """
        return self._lag

    def run(self, stop: threading.Event, *, patient: bool = False) -> None:
        """Consumes until `stop` is set; the batch in hand is finished.

        While the broker or the store is away it tries again after pauses that grow.

        Args:
            patient: what the cluster refuses is one more outage, told in `state`.

        Raises KafkaRefused, unless it is patient.
        """
        run_until(stop, self, self._condition, self._kafka, patient)

    def problem(self) -> str | None:
        """What is left to be mended though nothing failed."""
        if self._places.lost:
            return "it looks for the place where partitions are to be read on"
        if self._owed:
            return "a batch waits to be repeated"
        return self._holds.problem

    def check(self) -> None:
        """Asks broker and store, since a client whose broker is away only finds nothing to read.

        Raises BrokerUnavailable, StoreUnavailable, UnevenTopics, TooFewShards.
        """
        self._places.lose_renewed(self._topic_ids())
        self._store.ping()

    def _topic_ids(self) -> dict[str, str]:
        ids = self._topics.ids()
        shards = self._store.settings.item_shards
        if self._topics.partitions > shards:
            raise TooFewShards(self._topics.partitions, shards)
        return ids

    def poll(self) -> int:
        """Waits for one micro-batch and takes it through all steps.

        Returns the number of records in it. When a step fails, its error is raised and the same
        records come with the next call.
        """
        try:
            return self._poll()
        except (ProgressMoved, FeaturesLost) as error:
            metrics.PROGRESS_MOVED.inc()
            _log.warning("all partitions are read anew from where the features are: %s", error)
            self._places.lose_all()
            raise

    def _poll(self) -> int:
        started = time.monotonic()
        records = self._fetch()
        if records:
            self._take(records)
            metrics.BATCH_SECONDS.observe(time.monotonic() - started)
        elif time.monotonic() >= self._tidy_due:
            self._tidy()
        self._place()
        if not records or time.monotonic() >= self._lag_due:
            self._measure_lag()
        return sum(map(len, records.values()))

    def _fetch(self) -> Records:
        """Records of partitions that have a place; none where the client finds fault with one."""
        for partition in self._holds.due():
            self._places.resume(partition)
        try:
            found: Records = self._consumer.poll(timeout_ms=int(self._kafka.poll_seconds * 1000))
        except UnreadablePartition as error:
            self._consumer.pause(error.partition)
            self._holds.hold(error)
        except OffsetOutOfRangeError as error:
            self._places.lose(error.args[0])
        except LogTruncationError as error:
            ends = error.divergent_offsets.items()
            self._places.lose({tp: 0 if end is None else end.offset for tp, end in ends})
        else:
            return found
        return {}

    def _place(self) -> None:
        """Raises BrokerUnavailable, StoreUnavailable, FeaturesLost and their like."""
        if self._places.lost:
            placed = self._places.place(self._topic_ids())
            self._owed -= placed
            self._holds.let_go(placed)
        mine = self._consumer.assignment()
        self._owed &= mine
        self._holds.keep(mine)

    def _take(self, records: Records) -> None:
        try:
            batch = self._read(records)
            rows = self._update_and_log(batch)
            self._bury_dead_letters(batch)
        except BaseException:
            self._rewind(records)
            raise
        self._store.settle(batch.reached)
        self._places.reach(batch.reached)
        self._owed -= records.keys()
        self._holds.let_go(records.keys())
        self._account(batch, rows)
        self._commit(batch.reached)

    def close(self) -> None:
        """Leaves the group, so that others take the partitions over at once."""
        try:
            self._store.save_progress()
        except OUTAGES as error:
            _log.warning("the last batch will come again: %s", error)
        self._consumer.close(timeout_ms=int(_CLOSING_SECONDS * 1000))
        try:
            self._dead_letters.close()
        except (DeliveryFailed, KafkaError) as error:
            # Their batch is not done either: who takes over produces them again.
            _log.warning("dead letters were left: %s", error)
        self._topics.close()
        self._logger.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self, records: Records) -> Batch:
        return read_batch(records, self._reader, self._places.topic_id)

    def _update_and_log(self, batch: Batch) -> int:
        """Both at once: each waits for the disk, and neither needs the other done."""
        logged = self._logger.submit(self._log_events, batch)
        try:
            rows = self._update_features(batch)
        finally:
            wait([logged])  # whatever happened: the batch may come again at once
        logged.result()
        return rows

    def _update_features(self, batch: Batch) -> int:
        rows = self._store.apply(batch.events, batch.reached)
        metrics.FRESHNESS.observe(event.ts for event in batch.events)
        return rows

    def _log_events(self, batch: Batch) -> None:
        self._store.log.append(batch.events)

    def _bury_dead_letters(self, batch: Batch) -> None:
        topic = dead_letter_topic(self._kafka)
        for letter in batch.dead_letters:
            self._dead_letters.send_payload(topic, letter.key, letter.encode())
        if batch.dead_letters:
            self._dead_letters.flush()

    def _commit(self, reached: list[Reached]) -> None:
        """Tells the tools that show lag; nothing else reads it."""
        patience = int(_PATIENCE_SECONDS * 1000)
        try:
            self._consumer.commit(offsets_after(reached), timeout_ms=patience)
        except _REBALANCED as error:
            _log.info("offsets were not committed, which tools that show lag may see: %s", error)

    def _rewind(self, records: Records) -> None:
        for partition in records.keys() & self._places.known:
            self._consumer.seek(partition, records[partition][0].offset)
            self._owed.add(partition)

    def _tidy(self) -> None:
        """Where nothing is to be read: what is done is stored, and marks are passed over."""
        if moved := self._places.moved():
            self._store.apply((), moved)
            self._store.settle(moved)
            self._places.reach(moved)
        self._store.save_progress()
        if moved:
            self._commit(moved)
        self._tidy_due = time.monotonic() + _TIDY_EVERY_SECONDS

    def _measure_lag(self) -> None:
        self._lag = lag_of(self._consumer, self._places.known)
        self._lag_due = time.monotonic() + _LAG_EVERY_SECONDS
        metrics.LAG.set(self._lag)

    def _account(self, batch: Batch, rows: int) -> None:
        self._counts = self._counts.after(batch, rows)
        tell_metrics(batch, rows)
        self._crossing.tell(self._store.crossed)
