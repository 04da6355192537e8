"""One member of the consumer group: the partitions it has, and what is next to be read of each."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaTimeoutError,
    LogTruncationError,
    OffsetOutOfRangeError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from kafka.structs import OffsetAndMetadata

from adloom.feature_store.backend import StoreUnavailable
from adloom.feature_store.naming import Name
from adloom.feature_store.progress import Reached
from adloom.feature_store.store import FeaturesLost, FeatureStore, ProgressMoved
from adloom.stream import metrics
from adloom.stream.cluster.partitions import Topics
from adloom.stream.membership.batch import Records
from adloom.stream.membership.fetches import (
    READ_COMMITTED,
    Fetches,
    UnreadablePartition,
    await_join,
)
from adloom.stream.membership.gaps import Notes
from adloom.stream.membership.holds import Holds
from adloom.stream.membership.one_store import OneStoreAssignor
from adloom.stream.membership.placing import Places
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import event_topics

_REBALANCED = (
    CommitFailedError,
    IllegalGenerationError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

_log = logging.getLogger(__name__)

_HEARTBEATS_IN_A_SESSION = 5
_FETCH_WAITS = 2  # times a poll: the local broker answers a fetch that waits after half of that
_METADATA_MILLISECONDS = 5_000  # partitions that were raised are noticed after this
_PATIENCE_MILLISECONDS = 5_000
_COMMIT_MILLISECONDS = 2_000  # of a partition that is gone the client would try it for long
_TIDY_EVERY_SECONDS = 1.0
_CLOSING_MILLISECONDS = 2_000


class Member:
    """Joins the group at the first `fetch`. Use it from one thread; the properties from any."""

    def __init__(self, kafka: KafkaSettings, store: FeatureStore, notes: Notes) -> None:
        """Asks nothing yet, and reads no partition before it has its place."""
        self._kafka = kafka
        self._store = store
        self._assignor = OneStoreAssignor(self._store_name)
        self.consumer = _client(kafka, self._assignor)
        Fetches(self.consumer)
        self._places = Places(self.consumer, store, notes)
        self._holds = Holds()
        self._owed: set[TopicPartition] = set()  # partitions whose last batch failed
        self._tidy_due = 0.0
        self.consumer.subscribe(list(event_topics(kafka)), listener=self._places)

    @property
    def known(self) -> set[TopicPartition]:
        """Partitions of this member whose place is known."""
        return self._places.known

    @property
    def problem(self) -> str | None:
        """What is left to be mended though nothing failed."""
        if elsewhere := self._assignor.problem:
            return elsewhere
        if self._places.joining_seconds > self._kafka.session_seconds:
            return "it waits for the group to say which partitions it is to read"
        if self._places.lost:
            return "it looks for the place where partitions are to be read on"
        if self._owed:
            return "a batch waits to be repeated"
        return self._holds.problem

    @property
    def lag(self) -> int:
        """Offsets that were not read yet, as the broker told with the last fetch."""
        return sum(max(0, self._end(partition) - self._at(partition)) for partition in self.known)

    def topic_id(self, partition: TopicPartition) -> str:
        """The id under which offsets of the partition count."""
        return self._places.topic_id(partition)

    def behind(self, partitions: int) -> int:
        """Offsets of the whole group that this member has not read, as the broker tells now.

        Args:
            partitions: of each event topic. Of those without a place here nothing was read.

        Raises KafkaError.
        """
        topics, known = event_topics(self._kafka), self.known
        every = [TopicPartition(topic, n) for topic in topics for n in range(partitions)]
        ends = self.consumer.end_offsets(every, timeout_ms=_PATIENCE_MILLISECONDS)
        return sum(
            # The local broker tells where its last batch begins; fetches tell where it ends.
            max(0, max(end, self._end(tp)) - self._at(tp)) if tp in known else end
            for tp, end in ends.items()
        )

    def fetch(self) -> Records:
        """Waits for records; none come of partitions that the client finds fault with."""
        for partition in self._holds.due():
            self._places.resume(partition)
        await_join(self.consumer)
        try:
            wait = int(self._kafka.poll_seconds * 1000)
            found: Records = self.consumer.poll(timeout_ms=wait)
        except UnreadablePartition as error:
            self.consumer.pause(error.partition)
            self._holds.hold(error)
        except OffsetOutOfRangeError as error:
            self._places.lose(error.args[0])
        except LogTruncationError as error:
            ends = error.divergent_offsets.items()
            self._places.lose({tp: 0 if end is None else end.offset for tp, end in ends})
        else:
            return found
        return {}

    def place(self, topics: Callable[[], Topics]) -> None:
        """Gives partitions their places. Raises what `Places.place` and `topics` do."""
        placed = self._places.place(topics()) if self._places.lost else set()
        mine = self.consumer.assignment()
        self._owed = (self._owed - placed) & mine
        self._holds.let_go(placed)
        self._holds.keep(mine)

    def lose_renewed(self, topic_ids: Mapping[str, str]) -> None:
        """Topics that were made anew are to be placed."""
        self._places.lose_renewed(topic_ids)

    @contextmanager
    def following(self) -> Iterator[None]:
        """Where the block finds the features older than they were, all is placed anew."""
        try:
            yield
        except (ProgressMoved, FeaturesLost) as error:
            if isinstance(error, ProgressMoved):
                metrics.PROGRESS_MOVED.inc()
            _log.warning("reading on from where the features are: %s", error)
            self._places.lose_all()
            raise

    def rewind(self, records: Records) -> None:
        """The records will come again."""
        for partition in records.keys() & self.known:
            self.consumer.seek(partition, records[partition][0].offset)
            self._owed.add(partition)

    @property
    def is_to_be_placed(self) -> bool:
        """Whether it has partitions without a place."""
        return bool(self._places.lost)

    def took(self, reached: list[Reached]) -> None:
        """All up to there is in the features, and nothing of it need come again."""
        partitions = {TopicPartition(place.topic, place.partition) for place in reached}
        self._places.reach(reached)
        self._owed -= partitions
        self._holds.let_go(partitions)

    def done(self, reached: list[Reached]) -> None:
        """All up to there is logged too. Raises KafkaError when Kafka does not learn of it."""
        self._store.settle(reached)
        self._commit(reached)

    def tidy(self) -> None:
        """Where nothing is to be read: what is done is stored, and marks are passed over."""
        if time.monotonic() < self._tidy_due:
            return
        self._tidy_due = time.monotonic() + _TIDY_EVERY_SECONDS
        if moved := self._places.moved():
            self._store.apply((), moved)
            self.took(moved)
            self.done(moved)
        self._store.save_progress()

    def close(self) -> None:
        """Leaves the group, so that others take the partitions over at once."""
        self.consumer.close(timeout_ms=_CLOSING_MILLISECONDS)

    def _commit(self, reached: list[Reached]) -> None:
        """Tells the tools that show lag; nothing else reads it."""
        offsets = {
            TopicPartition(place.topic, place.partition): OffsetAndMetadata(
                place.offset + 1, "", -1
            )
            for place in reached
        }
        try:
            self.consumer.commit(offsets, timeout_ms=_COMMIT_MILLISECONDS)
        except (*_REBALANCED, KafkaTimeoutError) as error:
            _log.info("offsets were not committed, which tools that show lag may see: %s", error)

    def _store_name(self) -> Name | None:
        try:
            return self._store.name()
        except StoreUnavailable:
            return None

    def _end(self, partition: TopicPartition) -> int:
        return self._places.asked(self.consumer.highwater, partition)

    def _at(self, partition: TopicPartition) -> int:
        return self._places.asked(self._places.position, partition)


def _client(kafka: KafkaSettings, assignor: OneStoreAssignor) -> KafkaConsumer:
    session = int(kafka.session_seconds * 1000)
    return KafkaConsumer(
        **kafka.client_options(),
        **READ_COMMITTED,
        group_id=kafka.group_id,
        enable_auto_commit=False,
        auto_offset_reset="none",
        allow_auto_create_topics=False,
        fetch_max_wait_ms=max(1, int(kafka.poll_seconds * _FETCH_WAITS * 1000)),
        metadata_max_age_ms=_METADATA_MILLISECONDS,
        max_poll_records=kafka.max_batch,
        session_timeout_ms=session,
        heartbeat_interval_ms=session // _HEARTBEATS_IN_A_SESSION,
        partition_assignment_strategy=[assignor],
    )
