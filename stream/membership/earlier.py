"""What the event log has of topics that were made anew since, and the features have not.

Kafka holds none of it any more. The features lack it when the online store was emptied, or
restored to what it was before.
"""

from __future__ import annotations

from typing import NamedTuple

from kafka import TopicPartition

from adloom.feature_store.event_log import EventLog
from adloom.feature_store.progress import Progress
from adloom.stream.membership.lives import topic_of


class Stretch(NamedTuple):
    """Offsets of a partition of a topic that is no more: first <= offset < end."""

    topic_id: str
    first: int
    end: int


class LoggedStreams:
    """The topics and partitions that the log has, looked through once."""

    def __init__(self, log: EventLog) -> None:
        # By topic and topic id, in the order they were first appended: last offsets by partition.
        self._last: dict[str, dict[str, dict[int, int]]] = {}
        for topic, topic_id, partition, last in log.streams():
            self._last.setdefault(topic, {}).setdefault(topic_id, {})[partition] = last

    def topics(self) -> set[str]:
        """Names of all topics, and what stands for one of files."""
        return set(self._last)

    def partitions(self, topic: str) -> set[int]:
        """Numbers of the partitions that the topic had, ever."""
        return {number for lasts in self._last.get(topic, {}).values() for number in lasts}

    def earlier(self, partition: TopicPartition, now: str, known: Progress | None) -> list[Stretch]:
        """What the features have not got, in the order of its topics.

        Args:
            now: the id of the topic that is there now.
            known: the features' progress; topics before that one are in them.
        """
        topics = self._last.get(partition.topic, {})
        ids = list(topics)
        if known is not None:
            ids = ids[ids.index(known.topic_id) :] if known.topic_id in ids else []
        found = []
        for topic_id in ids:
            first = known.done + 1 if known is not None and topic_id == known.topic_id else 0
            end = topics[topic_id].get(partition.partition, -1) + 1
            if first < end and topic_of(topic_id) != now:
                found.append(Stretch(topic_id, first, end))
        return found
