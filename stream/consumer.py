"""Events from Kafka into the feature store, each with effect exactly once.

A batch goes through these steps: the online features are written while the events are logged, then
dead letters are produced and acknowledged, then the offsets are committed. Whatever step is the
last before a crash, the batch comes again from Kafka, and every step knows what it has done
already. A member that lost its partitions and goes on writing is kept out by the feature store.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from types import TracebackType
from typing import Self

from kafka import KafkaConsumer, TopicPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from adloom.feature_store.store import FeatureStore, StoreUnavailable
from adloom.stream import metrics
from adloom.stream.batch import Batch, Records, read_batch
from adloom.stream.counts import Counts, tell_metrics
from adloom.stream.event_reader import EventReader
from adloom.stream.event_settings import EventSettings
from adloom.stream.producer import DeliveryFailed, EventProducer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import BrokerUnavailable, EventTopics, dead_letter_topic, event_topics

# What time may heal. Everything else is a mistake somewhere, and ends the consumer.
_OUTAGES = (StoreUnavailable, BrokerUnavailable, DeliveryFailed, KafkaError, OSError)
_REBALANCED = (
    CommitFailedError,
    IllegalGenerationError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

_log = logging.getLogger(__name__)

_HEARTBEATS_IN_A_SESSION = 5
_FETCH_WAIT_MILLISECONDS = 100  # the local broker answers a fetch that waits after half of this
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_CHECK_EVERY_SECONDS = 5.0
_LAG_EVERY_SECONDS = 0.5  # under load: it takes a millisecond
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

        Raises BrokerUnavailable; ValueError when the event topics differ in partitions, or
        nothing tells apart kinds of events that share one.
        """
        self._kafka = kafka
        self._store = store
        self._reader = EventReader(kafka, own_events)
        self._topics = EventTopics(kafka, patience_seconds=_PATIENCE_SECONDS)
        self._topic_ids = self._topics.ids()
        self._dead_letters = EventProducer(kafka, patience_seconds=_PATIENCE_SECONDS)
        session = int(kafka.session_seconds * 1000)
        self._consumer = KafkaConsumer(
            *event_topics(kafka),
            **kafka.client_options(),
            group_id=kafka.group_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            fetch_max_wait_ms=_FETCH_WAIT_MILLISECONDS,
            max_poll_records=kafka.max_batch,
            session_timeout_ms=session,
            heartbeat_interval_ms=session // _HEARTBEATS_IN_A_SESSION,
            # Partition 3 of every topic goes to the same member: it owns those users and shards.
            partition_assignment_strategy=[RangePartitionAssignor],
        )
        self._logger = ThreadPoolExecutor(max_workers=1, thread_name_prefix="log")
        self._owed: set[TopicPartition] = set()  # partitions whose last batch failed
        self._counts = Counts()
        self._lag, self._lag_due = 0, 0.0
        self._ready = threading.Event()

    @property
    def ready(self) -> bool:
        """Whether broker and store answered the last time and no batch waits to be repeated."""
        return self._ready.is_set()

    @property
    def has_partitions(self) -> bool:
        """Whether the group has given this member something to read."""
        return bool(self._consumer.assignment())

    @property
    def counts(self) -> Counts:
        """A snapshot, taken between batches."""
        return self._counts

    @property
    def lag(self) -> int:
        """Events in the partitions of this member that are not in the features yet.

        As the broker told with the last fetch; the sum over all members is the group's lag.
        """
        return self._lag

    def run(self, stop: threading.Event) -> None:
        """Consumes until `stop` is set; the batch in hand is finished and committed.

        While the broker or the store is away it tries again after pauses that grow, each a random
        share of the longest allowed, so that many consumers do not come back all at once.
        """
        failures = 0
        check_due = time.monotonic()
        while not stop.is_set():
            try:
                if failures or time.monotonic() >= check_due:
                    self.check()
                    check_due = time.monotonic() + _CHECK_EVERY_SECONDS
                self.poll()
            except _OUTAGES as error:
                self._note_ready(False)
                metrics.FAILURES.labels(type(error).__name__).inc()
                longest = min(_FIRST_PAUSE_SECONDS * 2.0**failures, _LONGEST_PAUSE_SECONDS)
                failures += 1
                pause = longest * random.uniform(0.5, 1.0)
                _log.warning(
                    "not ready, next try in %.1f s: %s: %s", pause, type(error).__name__, error
                )
                stop.wait(pause)
            else:
                failures = 0
                self._note_ready(not self._owed)

    def check(self) -> None:
        """Asks broker and store, since a client whose broker is away only finds nothing to read.

        Raises BrokerUnavailable, StoreUnavailable.
        """
        known, self._topic_ids = self._topic_ids, self._topics.ids()
        for partition in self._consumer.assignment():
            if self._topic_ids[partition.topic] != known[partition.topic]:
                _log.warning("%s was made anew: reading it from its beginning", partition.topic)
                self._consumer.seek_to_beginning(partition)
        self._store.ping()

    def _note_ready(self, ready: bool) -> None:
        if ready and not self.ready:
            _log.info("ready")
        (self._ready.set if ready else self._ready.clear)()
        metrics.READY.set(ready)

    def poll(self) -> int:
        """Waits for one micro-batch and takes it through all steps.

        Returns the number of records in it. When a step fails, its error is raised and the same
        records come with the next call.
        """
        started = time.monotonic()
        records = self._consumer.poll(timeout_ms=int(self._kafka.poll_seconds * 1000))
        if records:
            self._take(records)
            metrics.BATCH_SECONDS.observe(time.monotonic() - started)
        self._owed &= self._consumer.assignment()
        if not records or time.monotonic() >= self._lag_due:
            self._measure_lag()
        return sum(map(len, records.values()))

    def _take(self, records: Records) -> None:
        try:
            batch = self._read(records)
            rows = self._update_and_log(batch)
            self._bury_dead_letters(batch)
            committed = self._commit()
        except BaseException:
            self._rewind(records)
            raise
        if committed:
            self._owed -= records.keys()
            self._account(batch, rows)
        else:
            self._rewind(records)

    def close(self) -> None:
        """Leaves the group, so that others take the partitions over at once."""
        self._consumer.close(timeout_ms=int(_CLOSING_SECONDS * 1000))
        try:
            self._dead_letters.close()
        except (DeliveryFailed, KafkaError) as error:
            # Their offsets are not committed either: who takes over produces them again.
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
        return read_batch(records, self._reader, self._topic_ids)

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
        rows = self._store.apply(batch.events)
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

    def _commit(self) -> bool:
        try:
            self._consumer.commit(timeout_ms=int(_PATIENCE_SECONDS * 1000))
        except _REBALANCED as error:
            # The partitions went to another member: it plays the batch again, which is no harm.
            _log.warning("offsets were not committed, the batch will come again: %s", error)
            return False
        return True

    def _rewind(self, records: Records) -> None:
        for partition in records.keys() & self._consumer.assignment():
            self._consumer.seek(partition, records[partition][0].offset)
            self._owed.add(partition)

    def _measure_lag(self) -> None:
        lag = 0
        for partition in self._consumer.assignment():
            end = self._consumer.highwater(partition)
            if end is not None:  # it was fetched from: its position is known
                lag += max(0, end - (self._consumer.position(partition, timeout_ms=0) or 0))
        self._lag = lag
        self._lag_due = time.monotonic() + _LAG_EVERY_SECONDS
        metrics.LAG.set(lag)

    def _account(self, batch: Batch, rows: int) -> None:
        self._counts = self._counts.after(batch, rows)
        tell_metrics(batch, rows)
