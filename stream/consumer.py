"""Events from Kafka into the feature store, each with effect exactly once.

A batch goes through these steps, in this order: the online features are written, the events are
logged, dead letters are produced and acknowledged, the offsets are committed. Whatever step is
the last before a crash, the batch comes again from Kafka, and every step knows what it has done
already. One member of a group must own a partition at a time, as Kafka sees to: a member that
was silent for longer than a session and then goes on writing is not fenced off.
"""

from __future__ import annotations

import json
import logging
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
from feature_store.store import FeatureStore
from stream import metrics
from stream.dead_letter import DeadLetter
from stream.events import Event, InvalidEvent, parse
from stream.lag import GroupLag
from stream.producer import EventProducer
from stream.settings import KafkaSettings
from stream.topics import dead_letter_topic, event_topics, topic_ids

_log = logging.getLogger(__name__)

_HEARTBEATS_IN_A_SESSION = 5
_MOST_FAILURES_IN_A_ROW = 5
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
    oldest_arrival: float = float("inf")  # seconds since 1970


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

    @property
    def counts(self) -> Counts:
        """A snapshot, taken between batches."""
        return self._counts

    def lag(self) -> int:
        """Events in Kafka that the whole group has not committed yet."""
        return self._lag.read()

    def run(self, stop: threading.Event) -> None:
        """Consumes until `stop` is set. A failing batch is tried again, after a pause.

        Raises what the batch failed with when it has failed five times in a row.
        """
        failures = 0
        lag_due = time.monotonic()
        while not stop.is_set():
            try:
                self.poll()
                failures = 0
                if time.monotonic() >= lag_due:
                    metrics.LAG.set(self.lag())
                    lag_due = time.monotonic() + _LAG_EVERY_SECONDS
            except Exception:
                failures += 1
                metrics.FAILED_BATCHES.inc()
                if failures == _MOST_FAILURES_IN_A_ROW:
                    raise
                _log.exception("a batch failed; it will be tried again")
                stop.wait(min(2.0**failures / 4, _LONGEST_PAUSE_SECONDS))

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
        for record in (record for part in records.values() for record in part):
            payload = record.value or b""
            batch.oldest_arrival = min(batch.oldest_arrival, record.timestamp / 1000)
            try:
                event = parse(self._kinds[record.topic], payload, now)
            except InvalidEvent as error:
                letter = DeadLetter.of(
                    error, record.topic, record.partition, record.offset, payload
                )
                batch.dead_letters.append(letter)
            else:
                batch.events.append(self._logged(event, record))
        return batch

    def _logged(self, event: Event, record: Any) -> LoggedEvent:
        return LoggedEvent(
            kind=self._kinds[record.topic],
            event_id=event.event_id,
            ts=event.ts,
            user_id=event.user_id,
            item_id=event.item_id,
            topic=record.topic,
            topic_id=self._topic_ids[record.topic],
            partition=record.partition,
            offset=record.offset,
            ad_id=event.ad_id,
            variant=event.variant,
            propensity=event.propensity,
            position=event.position,
            context=json.dumps(event.context),
            extra=json.dumps(event.model_extra),
        )

    def _update_features(self, batch: _Batch) -> int:
        return self._store.apply(batch.events)

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
        for event in batch.events:
            metrics.CONSUMED.labels(event.kind).inc()
        for reason, number in reasons.items():
            metrics.DEAD_LETTERS.labels(reason).inc(number)
        metrics.FEATURES_WRITTEN.inc(rows)
        metrics.FRESHNESS_SECONDS.observe(max(0.0, time.time() - batch.oldest_arrival))
