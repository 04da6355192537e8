"""Events from adloom's own log into the features, where Kafka holds them no more."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping, Sequence

from kafka import TopicPartition

from adloom.feature_store.event_log import LoggedEvent
from adloom.feature_store.progress import Progress, Reached
from adloom.feature_store.store import FeatureStore
from adloom.stream.membership.earlier import LoggedStreams, Stretch

_log = logging.getLogger(__name__)


class Filling:
    """A long stretch takes several calls: progress says how far the last one came."""

    def __init__(self, store: FeatureStore) -> None:
        self._store = store
        self._logged: LoggedStreams | None = None

    def forget(self) -> None:
        """The next time the log is looked through again."""
        self._logged = None

    def take(self, partition: TopicPartition, stretch: Stretch, until: float) -> bool:
        """Applies what the log has there; False when the time is over before."""
        _log.info("%s/%d: from the event log, offsets %d to %d", *partition, *stretch[1:])
        place = (partition.topic, stretch.topic_id, partition.partition)
        for events in self._store.log.between(*place, stretch.first, stretch.end):
            self.settle(partition, stretch.topic_id, events[-1].offset, events)
            if time.monotonic() > until:
                self._store.save_progress()
                return False
        return True

    def take_earlier(
        self,
        partition: TopicPartition,
        now: str,
        partitions: int,
        known: Progress | None,
        until: float,
    ) -> bool:
        """Applies what the log has of topics before this one; False when the time is over.

        Args:
            now: the id of the topic that is there now.
            partitions: how many it has. What others had beyond them goes by the remainder.
            known: how far the partition was taken.
        """
        if self._logged is None:
            self._logged = LoggedStreams(self._store.log)
        topic, number = partition
        beyond = {
            other
            for other in self._logged.partitions(topic)
            if partitions <= other < self._store.settings.item_shards
            and other % partitions == number
        }
        places = {number: known}
        if beyond:
            progress = self._store.progress(beyond)
            places |= {other: progress[other].get(topic) for other in sorted(beyond)}
        for other, place in places.items():
            source = TopicPartition(topic, other)
            for stretch in self._logged.earlier(source, now, place):
                if not self.take(source, stretch, until):
                    return False
        return True

    def take_others(
        self,
        progress: Mapping[int, Mapping[str, Progress]],
        followed: Collection[str],
        until: float,
    ) -> bool:
        """Applies what the log has of topics that are not read, and the features have not.

        They are files that were backfilled, and topics that had other names. False when the time
        is over.

        Args:
            progress: how far each partition number was taken, by topic.
            followed: the topics that are read.
        """
        if self._logged is None:
            self._logged = LoggedStreams(self._store.log)
        for number, taken in progress.items():
            for topic in self._logged.topics() - set(followed):
                source = TopicPartition(topic, number)
                for stretch in self._logged.earlier(source, "", taken.get(topic)):
                    if not self.take(source, stretch, until):
                        return False
        return True

    def settle(
        self,
        partition: TopicPartition,
        topic_id: str,
        offset: int,
        events: Sequence[LoggedEvent] = (),
    ) -> None:
        """All up to the offset is in the features, these events the last of it."""
        reached = [Reached(partition.topic, partition.partition, topic_id, offset)]
        self._store.apply(events, reached)
        self._store.settle(reached)
