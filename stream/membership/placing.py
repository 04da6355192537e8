"""Where a member reads on: after what the features have, whatever Kafka's commits say.

Each time partitions are assigned, and whenever a place turns out to be none, they stand still
until their place is known. What Kafka holds no more comes from adloom's own event log.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.errors import IllegalStateError, KafkaError

from adloom.feature_store.progress import NOTHING, Progress, Reached
from adloom.feature_store.store import FeatureStore
from adloom.stream.cluster.partitions import Topics
from adloom.stream.membership.earlier import Stretch
from adloom.stream.membership.filling import Filling
from adloom.stream.membership.gaps import Notes
from adloom.stream.membership.lives import next_life, topic_of
from adloom.stream.topics import BrokerUnavailable

_log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 5.0
_FILLING_SECONDS = 1.0  # at a time: a member that is told to end does not wait for a whole log


@dataclass(eq=False)
class _Lost:
    """A partition without a place.

    Attributes:
        beyond: it has no record at this offset or after, though this is where reading stood.
    """

    beyond: int | None = None


class Places(ConsumerRebalanceListener):
    """The places of one member's partitions.

    The client calls the listener from a thread of its own, and swallows what it raises; so it only
    notes the partitions, and `place` does the work.
    """

    def __init__(self, consumer: KafkaConsumer, store: FeatureStore, notes: Notes) -> None:
        self._consumer = consumer
        self._store = store
        self._notes = notes
        self._lost: dict[TopicPartition, _Lost] = {}
        self._ids: dict[TopicPartition, str] = {}
        self._reached: dict[TopicPartition, int] = {}
        self._behind_log = True  # whether the log may have more than the features
        self._filling = Filling(store)
        self._joining_since: float | None = -math.inf  # it never was in the group yet
        self._lock = threading.Lock()

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Stops the partitions until they are placed."""
        self.lose(dict.fromkeys(assigned))
        self._joining_since = None

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Others read on after what the features have; the group shares them out anew."""
        self._joining_since = time.monotonic()

    @property
    def lost(self) -> set[TopicPartition]:
        """Partitions of this member that have no place."""
        with self._lock:
            return self._lost.keys() & self._consumer.assignment()

    @property
    def joining_seconds(self) -> float:
        """For how long the group has not said what this member is to read; 0 when it has."""
        since = self._joining_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def known(self) -> set[TopicPartition]:
        """Partitions of this member that have one."""
        return self._consumer.assignment() - self.lost

    def topic_id(self, partition: TopicPartition) -> str:
        """The id under which offsets of the partition count."""
        return self._ids[partition]

    def lose(self, partitions: Mapping[TopicPartition, int | None]) -> None:
        """Stops partitions until they are placed anew.

        Args:
            partitions: with the offset that Kafka said is out of range, where it did.
        """
        with self._lock:
            for partition, beyond in partitions.items():
                self._lost[partition] = _Lost(beyond)
                with _unassigned_meanwhile():
                    self._consumer.pause(partition)
                    # Any place will do, so that the client looks for none of its own.
                    self._consumer.seek(partition, 0)

    def lose_all(self) -> None:
        """Stops all partitions until they are placed anew, in features that are older now."""
        self._behind_log = True
        self.lose(dict.fromkeys(self._consumer.assignment()))

    def lose_renewed(self, topic_ids: Mapping[str, str]) -> None:
        """Stops partitions of topics that were made anew."""
        renewed = {
            partition
            for partition in self.known
            if topic_of(self._ids[partition]) != topic_ids[partition.topic]
        }
        for topic in sorted({partition.topic for partition in renewed}):
            _log.warning("%s was made anew: reading it from its beginning", topic)
        self.lose(dict.fromkeys(renewed))

    def resume(self, partition: TopicPartition) -> None:
        """Lets a partition go on that stood still for another reason, if it has a place."""
        with self._lock, _unassigned_meanwhile():
            if partition not in self._lost:
                self._consumer.resume(partition)

    def reach(self, reached: Iterable[Reached]) -> None:
        """Notes the last records that were read."""
        for place in reached:
            self._reached[TopicPartition(place.topic, place.partition)] = place.offset

    def moved(self) -> list[Reached]:
        """Where the client has moved over what is no record, such as marks of transactions."""
        found = []
        for partition in self.known:
            offset = self.asked(self.position, partition) - 1
            if offset > self._reached[partition]:
                found.append(self._at(partition, offset))
        return found

    def asked(self, question: Callable[..., int | None], partition: TopicPartition) -> int:
        """What the client answers for a partition; 0 when it does not know, or not any more."""
        with _unassigned_meanwhile():
            return question(partition) or 0
        return 0

    def position(self, partition: TopicPartition) -> int | None:
        """The offset to be read next, without asking the broker."""
        position: int | None = self._consumer.position(partition, timeout_ms=0)
        return position

    def place(self, topics: Topics) -> set[TopicPartition]:
        """Gives partitions their places and lets them go on; gives those that have one now.

        A long stretch of adloom's event log takes several calls. Raises BrokerUnavailable, and
        what `FeatureStore.apply` raises.
        """
        # Of partitions that are no more Kafka tells nothing: the group will take them away.
        lost = {
            partition: self._lost[partition]
            for partition in self.lost
            if partition.partition < topics.partitions
        }
        if not lost:
            return set()
        self._store.save_progress()
        progress = self._store.progress({partition.partition for partition in lost})
        beginnings = self._beginnings(lost)
        until = time.monotonic() + _FILLING_SECONDS
        if self._behind_log:
            if not self._filling.take_others(progress, topics.ids.keys(), until):
                return set()
            self._behind_log = False
        placed, begun = set(), []
        for partition, how in sorted(lost.items()):
            known = progress[partition.partition].get(partition.topic)
            at = self._place(partition, how, known, topics, beginnings[partition], until)
            if at is not None and self._go_on(partition, how, at):
                placed.add(partition)
                if known is not None and known.topic_id != self._ids[partition] and at == 0:
                    begun.append(self._at(partition, NOTHING))
        self._store.apply((), begun)  # so that nothing earlier is looked for the next time
        if len(placed) == len(lost):
            self._filling.forget()
        return placed

    def _place(
        self,
        partition: TopicPartition,
        how: _Lost,
        known: Progress | None,
        topics: Topics,
        beginning: int,
        until: float,
    ) -> int | None:
        """The offset to read on at; None when the log has more than fits into the time."""
        topic_id = topics.ids[partition.topic]
        if known is None or topic_of(known.topic_id) != topic_id:
            number = topics.partitions
            if not self._filling.take_earlier(partition, topic_id, number, known, until):
                return None
            self._ids[partition], first = topic_id, 0
        else:
            self._ids[partition], first = known.topic_id, known.done + 1
            # Kafka only deletes at the beginning: who stands beyond it has read what is no more.
            if how.beyond is not None and first >= how.beyond >= beginning:
                self._notes.cut(partition, first)
                self._ids[partition], first = next_life(known.topic_id), beginning
                self._filling.settle(partition, self._ids[partition], beginning - 1)
        if first >= beginning:
            return first
        return beginning if self._fill(partition, first, beginning, known, until) else None

    def _fill(
        self,
        partition: TopicPartition,
        first: int,
        beginning: int,
        known: Progress | None,
        until: float,
    ) -> bool:
        """Takes what Kafka holds no more from the event log; False when the time is over."""
        life = self._ids[partition]
        last = self._store.log.last_offset(partition.topic, life, partition.partition)
        lost = Stretch(life, first, beginning)
        if last is not None and last >= first and not self._filling.take(partition, lost, until):
            return False
        # Of a topic that nobody has read, what is older than adloom is no loss.
        was_read = last is not None or (known is not None and known.topic_id == life)
        missing = first if last is None else max(first, last + 1)
        self._filling.settle(partition, life, beginning - 1)
        self._store.save_progress()
        if was_read and missing < beginning:
            self._notes.gap(partition, missing, beginning)
        return True

    def _go_on(self, partition: TopicPartition, how: _Lost, at: int) -> bool:
        with self._lock:
            if self._lost.get(partition) is not how:  # it was lost again meanwhile
                return False
            with _unassigned_meanwhile():
                self._reached[partition] = at - 1
                self._consumer.seek(partition, at)
                self._consumer.resume(partition)
            del self._lost[partition]
            return True

    def _beginnings(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        patience = int(_PATIENCE_SECONDS * 1000)
        try:
            return self._consumer.beginning_offsets(list(partitions), timeout_ms=patience)
        except (KafkaError, OSError, KeyError, AttributeError) as error:
            # The last two: the client found no leader, or was told no offset.
            raise BrokerUnavailable(
                f"Kafka does not say where partitions begin: {error}"
            ) from error

    def _at(self, partition: TopicPartition, offset: int) -> Reached:
        return Reached(partition.topic, partition.partition, self._ids[partition], offset)


def _unassigned_meanwhile() -> suppress:
    """The client's thread may take a partition away between any two calls."""
    return suppress(ValueError, KeyError, IllegalStateError)
