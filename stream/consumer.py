"""Events from Kafka into the feature store, each with effect exactly once.

A batch goes through these steps, in this order: the online features are written, the events are
logged, dead letters are produced and acknowledged, the offsets are committed. Whatever step is
the last before a crash, the batch comes again from Kafka, and every step knows what it has done
already. A member that lost its partitions and goes on writing is kept out by the feature store.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType, TracebackType
from typing import Any, Self

from kafka import KafkaConsumer, TopicPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaError

from feature_store.event_log import LoggedEvent
from feature_store.store import FeatureStore, StoreUnavailable
from stream import metrics
from stream.dead_letter import DeadLetter
from stream.events import Event, InvalidEvent, Kind, parse
from stream.lag import GroupLag
from stream.producer import DeliveryFailed, EventProducer
from stream.settings import KafkaSettings
from stream.topics import BrokerUnavailable, dead_letter_topic, event_topics, topic_ids

# What time may heal. Everything else is a mistake somewhere, and ends the consumer.
_OUTAGES = (StoreUnavailable, BrokerUnavailable, DeliveryFailed, KafkaError, OSError)

_log = logging.getLogger(__name__)

_HEARTBEATS_IN_A_SESSION = 5
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_LAG_EVERY_SECONDS = 5.0


@dataclass(frozen=True)
class Counts:
    """What one consumer has done so far, by batches that are committed.

    Attributes:
        consumed: valid events, duplicates included.
        dead_letters: refused payloads by reason.
        features_written: rows written to the online store.
    """

    consumed: int = 0
    dead_letters: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    features_written: int = 0


@dataclass
class _Batch:
    """One poll, read: every record is either an event or a dead letter."""

    events: list[LoggedEvent] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)


class EventConsumer:
    """One member of the consumer group. Use it from one thread; `counts` and `lag` from any."""

    def __init__(self, kafka: KafkaSettings, store: FeatureStore) -> None:
        """Joins the group at the first `poll`.

        Raises BrokerUnavailable; ValueError when the event topics differ in partitions.
        """
        self._kafka = kafka
        self._store = store
        self._kinds = event_topics(kafka)
        self._topic_ids = topic_ids(kafka)
        self._lag = GroupLag(kafka)
        self._dead_letters = EventProducer(kafka)
        session = int(kafka.session_seconds * 1000)
        self._consumer = KafkaConsumer(
            *self._kinds,
            **kafka.client_options(),
            group_id=kafka.group_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=kafka.max_batch,
            session_timeout_ms=session,
            heartbeat_interval_ms=session // _HEARTBEATS_IN_A_SESSION,
            # Partition 3 of every topic goes to the same member: it owns those users and shards.
            partition_assignment_strategy=[RangePartitionAssignor],
        )
        self._counts = Counts()
        self._ready = threading.Event()

    @property
    def ready(self) -> bool:
        """Whether the last poll reached broker and store."""
        return self._ready.is_set()

    @property
    def counts(self) -> Counts:
        """A snapshot, taken between batches."""
        return self._counts

    def lag(self) -> int:
        """Events in Kafka that the whole group has not committed yet."""
        return self._lag.read()

    def run(self, stop: threading.Event) -> None:
        """Consumes until `stop` is set; the batch in hand is finished and committed.

        While the broker or the store is away it tries again after pauses that grow, each a random
        share of the longest allowed, so that many consumers do not come back all at once.
        """
        failures = 0
        lag_due = time.monotonic()
        while not stop.is_set():
            try:
                self.poll()
                if time.monotonic() >= lag_due:
                    metrics.LAG.set(self.lag())
                    lag_due = time.monotonic() + _LAG_EVERY_SECONDS
            except _OUTAGES as error:
                self._note_ready(False)
                metrics.FAILED_BATCHES.labels(type(error).__name__).inc()
                longest = min(_FIRST_PAUSE_SECONDS * 2.0**failures, _LONGEST_PAUSE_SECONDS)
                failures += 1
                pause = longest * random.uniform(0.5, 1.0)
                _log.warning("not ready, next try in %.1f s: %s", pause, error)
                stop.wait(pause)
            else:
                self._note_ready(True)
                failures = 0

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
        if not records:
            return 0
        try:
            batch = self._read(records)
            rows = self._update_features(batch)
            self._log_events(batch)
            self._bury_dead_letters(batch)
        except BaseException:
            self._rewind(records)
            raise
        if self._commit():
            self._account(batch, rows)
            metrics.BATCH_SECONDS.observe(time.monotonic() - started)
        return sum(map(len, records.values()))

    def close(self) -> None:
        """Leaves the group, so that others take the partitions over at once."""
        self._consumer.close()
        self._dead_letters.close()
        self._lag.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self, records: Mapping[TopicPartition, Sequence[Any]]) -> _Batch:
        now = datetime.now(UTC)
        batch = _Batch()
        for source, part in records.items():
            kind, topic_id = self._kinds[source.topic], self._topic_ids[source.topic]
            for record in part:
                payload = record.value or b""
                try:
                    event = parse(kind, payload, now)
                except InvalidEvent as error:
                    letter = DeadLetter.of(
                        error, source.topic, source.partition, record.offset, payload
                    )
                    batch.dead_letters.append(letter)
                else:
                    batch.events.append(_logged(event, kind, topic_id, record))
        return batch

    def _update_features(self, batch: _Batch) -> int:
        rows = self._store.apply(batch.events)
        metrics.FRESHNESS.observe(event.ts for event in batch.events)
        return rows

    def _log_events(self, batch: _Batch) -> None:
        self._store.log.append(batch.events)

    def _bury_dead_letters(self, batch: _Batch) -> None:
        topic = dead_letter_topic(self._kafka)
        for letter in batch.dead_letters:
            self._dead_letters.send_payload(topic, letter.key, letter.encode())
        if batch.dead_letters:
            self._dead_letters.flush()

    def _commit(self) -> bool:
        try:
            self._consumer.commit()
        except KafkaError as error:
            # The partitions went to another member: it plays the batch again, which is no harm.
            _log.warning("offsets were not committed, the batch will come again: %s", error)
            return False
        return True

    def _rewind(self, records: Mapping[TopicPartition, Sequence[Any]]) -> None:
        for partition, part in records.items():
            if partition in self._consumer.assignment():
                self._consumer.seek(partition, part[0].offset)

    def _account(self, batch: _Batch, rows: int) -> None:
        reasons = Counter[str](letter.reason for letter in batch.dead_letters)
        self._counts = Counts(
            self._counts.consumed + len(batch.events),
            MappingProxyType(dict(Counter(self._counts.dead_letters) + reasons)),
            self._counts.features_written + rows,
        )
        for kind, number in Counter(event.kind for event in batch.events).items():
            metrics.CONSUMED.labels(kind).inc(number)
        for reason, number in reasons.items():
            metrics.DEAD_LETTERS.labels(reason).inc(number)
        metrics.FEATURES_WRITTEN.inc(rows)
        metrics.BATCH_EVENTS.observe(len(batch.events))


def _logged(event: Event, kind: Kind, topic_id: str, record: Any) -> LoggedEvent:
    # By position, in the order of the fields: by name takes twice as long.
    return LoggedEvent(
        kind,
        event.event_id,
        event.ts,
        event.user_id,
        event.item_id,
        record.topic,
        record.partition,
        record.offset,
        topic_id,
        event.ad_id,
        event.variant,
        event.propensity,
        event.position,
        json.dumps(event.context) if event.context else "{}",
        json.dumps(event.model_extra) if event.model_extra else "{}",
    )
