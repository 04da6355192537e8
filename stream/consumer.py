"""Events from Kafka into the feature store, each with effect exactly once.

A batch goes through these steps: the online features are written, dead letters are produced and
acknowledged, and its events are logged, in commits of seconds behind the stream; then it is done.
How far all that is, is part of the features: a member reads on there, and Kafka's committed offsets
are only for the tools that show lag. Whatever step is the last before a crash, the batch comes
again, and every step knows what it has done already. A member that lost its partitions and goes on
writing is kept out by the feature store, and by the log.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from kafka.errors import KafkaError

from adloom.feature_store.progress import Reached
from adloom.feature_store.store import FeatureStore
from adloom.stream import metrics
from adloom.stream.burial_log import BurialLog
from adloom.stream.cluster.partitions import TooFewShards, Topics, UnevenTopics
from adloom.stream.event_reader import EventReader
from adloom.stream.event_settings import EventSettings
from adloom.stream.forgotten import NOBODY, Forgotten, leave_out, telling_user
from adloom.stream.membership.batch import Batch, Records, read_batch
from adloom.stream.membership.condition import Condition, ConsumerState
from adloom.stream.membership.counts import Counts, tell_metrics
from adloom.stream.membership.crossing import Crossing
from adloom.stream.membership.member import Member
from adloom.stream.membership.running import run_until
from adloom.stream.membership.traced import trace_records
from adloom.stream.needs import to_consume_events
from adloom.stream.outages import OUTAGES
from adloom.stream.producer import DeliveryFailed, EventProducer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import EventTopics, dead_letter_topic
from adloom.stream.tracing import tracing

_log = logging.getLogger(__name__)

_LAG_EVERY_SECONDS = 0.5  # under load: it takes a millisecond
_PATIENCE_SECONDS = 5.0  # with a broker that does not answer


class EventConsumer:
    """One member of the consumer group. Use it from one thread; the properties from any."""

    def __init__(
        self,
        kafka: KafkaSettings,
        store: FeatureStore,
        own_events: EventSettings | None = None,
        forgotten: Forgotten = NOBODY,
    ) -> None:
        """Joins the group at the first `poll`.

        Args:
            own_events: how events in the shop's form are read; None = all are in adloom's own.
            forgotten: whose events are left out.

        Raises BrokerUnavailable, KafkaRefused, TooFewShards; ValueError when nothing tells apart
        kinds of events that share a topic.
        """
        metrics.show_consuming()
        self._kafka = kafka
        self._store = store
        self._reader = EventReader(kafka, own_events)
        self._forgotten, self._user_of = forgotten, telling_user(own_events or EventSettings())
        needs = to_consume_events(kafka)
        self._topics = EventTopics(kafka, needs, patience_seconds=_PATIENCE_SECONDS)
        with suppress(UnevenTopics):  # time heals it: poll says so as long as it is so
            self._look_at_topics()
        self._dead_letters = EventProducer(kafka, patience_seconds=_PATIENCE_SECONDS)
        self._condition = Condition()
        self._crossing = Crossing(self._condition.notes)
        self._member = Member(kafka, store, self._condition.notes)
        self._log_writer = store.log.writer(store.log_settings.commit_seconds)
        self._counts = Counts()
        self._burials = BurialLog()
        self._lag, self._lag_due = 0, 0.0

    @property
    def ready(self) -> bool:
        """Whether broker and store answered the last time and no batch waits to be repeated."""
        return self.state.ready

    @property
    def state(self) -> ConsumerState:
        """Whether it is ready, why not, and what someone should see to."""
        return self._condition.state

    @property
    def failing(self) -> bool:
        """Whether what it reads cannot be applied now."""
        return self._condition.failing

    @property
    def has_partitions(self) -> bool:
        """Whether the group has given this member something to read, and it knows where."""
        return bool(self._member.known)

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
        return self._member.problem

    def check(self) -> None:
        """Asks broker and store, since a client whose broker is away only finds nothing to read.

        Raises BrokerUnavailable, UnevenTopics, TooFewShards, and what `FeatureStore.ping` does.
        """
        self._member.lose_renewed(self._look_at_topics().ids)
        with self._member.following():
            self._store.ping()

    def _look_at_topics(self) -> Topics:
        topics = Topics(self._topics.ids(), self._topics.partitions)
        shards = self._store.settings.item_shards
        if topics.partitions > shards:
            raise TooFewShards(topics.partitions, shards)
        return topics

    def poll(self) -> int:
        """Waits for one micro-batch and takes it through all steps.

        Returns the number of records in it. When a step fails, its error is raised and the same
        records come with the next call.
        """
        with self._member.following():
            if self._forgotten.look():
                self._confirm_forgotten()
            started = time.monotonic()
            records = self._member.fetch()
            if records:
                self._take(records)
                ended = time.monotonic()
                metrics.BATCH_SECONDS.observe(ended - started)
                if tracing():
                    trace_records(records, started, ended)
            else:
                self._settle(self._log_writer.tend(idle=True))
                if not self._log_writer.waits:
                    self._member.tidy()
            if self._member.is_to_be_placed:
                self._log_writer.flush()  # reading goes on after what is done
                self._settle(self._log_writer.settled())
            self._member.place(self._look_at_topics)
        if not records or time.monotonic() >= self._lag_due:
            self._measure_lag()
        return sum(map(len, records.values()))

    def _confirm_forgotten(self) -> None:
        """What was taken in is in the log by then, where who forgets finds it."""
        self._log_writer.flush()
        self._settle(self._log_writer.settled())
        self._store.save_progress()
        self._forgotten.confirm()

    def _take(self, records: Records) -> None:
        try:
            batch = self._read(records)
            rows = self._update_features(batch)
            self._bury_dead_letters(batch)
        except BaseException:
            self._member.rewind(records)
            raise
        self._member.took(batch.reached)
        try:
            self._log_writer.add(batch.events, batch.reached)
        finally:
            self._account(batch, rows)  # who waits for it finds it in the log
        self._settle(self._log_writer.tend())

    def behind(self) -> int:
        """Events that are not in the features, as the broker tells now: a sole member's question.

        Raises KafkaError.
        """
        return self._member.behind(self._topics.partitions)

    def keep(self) -> None:
        """Waits until what was taken in is in the log; from any thread. Raises LogUnavailable."""
        self._log_writer.flush()

    def close(self) -> None:
        """Leaves the group, so that others take the partitions over at once."""
        try:
            self._settle(self._log_writer.close())
            self._store.save_progress()
        except OUTAGES as error:
            _log.warning("the last batch will come again: %s", error)
        self._member.close()
        try:
            self._dead_letters.close()
        except (DeliveryFailed, KafkaError) as error:
            # Their batch is not done either: who takes over produces them again.
            _log.warning("dead letters were left: %s", error)
        self._topics.close()
        self._burials.tell(at_once=True)

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
        batch = read_batch(records, self._reader, self._member.topic_id)
        leave_out(batch, self._forgotten, self._user_of)
        return batch

    def _update_features(self, batch: Batch) -> int:
        rows = self._store.apply(batch.events, batch.reached)
        metrics.FRESHNESS.observe(event.ts for event in batch.events)
        return rows

    def _bury_dead_letters(self, batch: Batch) -> None:
        topic = dead_letter_topic(self._kafka)
        for letter in batch.dead_letters:
            self._dead_letters.send_payload(topic, letter.key, letter.encode())
        if not batch.dead_letters:
            return
        try:
            self._dead_letters.flush()
        except DeliveryFailed:
            self._dead_letters.renew()  # the client may never get on
            raise

    def _settle(self, reached: list[Reached]) -> None:
        if reached:
            self._member.done(reached)

    def _measure_lag(self) -> None:
        self._burials.tell()
        self._lag = self._member.lag
        self._lag_due = time.monotonic() + _LAG_EVERY_SECONDS
        metrics.LAG.set(self._lag)

    def _account(self, batch: Batch, rows: int) -> None:
        self._counts = self._counts.after(batch, rows)
        self._burials.add(batch.reasons())
        tell_metrics(batch, rows)
        self._crossing.tell(self._store.crossed)
