"""Topics and groups of a benchmark, on the cluster of the settings or on a broker of its own."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from kafka.errors import KafkaError, NoError, for_code

from adloom.stream.broker import LocalBroker
from adloom.stream.cluster.refusals import BrokerUnavailable, KafkaRefused
from adloom.stream.settings import KafkaSettings, TopicNames
from adloom.stream.topics import connect_admin, create_topics, event_topics

_log = logging.getLogger("adloom.bench")
_LOCAL_SESSION_SECONDS = 3.0
_NO_RIGHTS: frozenset[str] = frozenset()


class BenchTopics:
    """New topics and groups, whose names begin as those of the settings do.

    ``broker`` is `local`, or the servers of the cluster.
    """

    def __init__(self, kafka: KafkaSettings, broker: str) -> None:
        self.broker = broker
        self._kafka = kafka.model_copy(update={"topics": TopicNames()})
        self._topics: list[str] = []
        self._groups: list[str] = []

    def new_topics(self) -> KafkaSettings:
        """Settings with event topics, and one for dead letters, that nobody else uses.

        Raises BrokerUnavailable, KafkaRefused.
        """
        name = f"{self._kafka.topic_prefix}.bench-{uuid.uuid4().hex[:8]}"
        settings = self.new_group(self._kafka.model_copy(update={"topic_prefix": name}))
        needs = dict.fromkeys((*event_topics(settings), settings.topic("deadletter")), _NO_RIGHTS)
        self._topics += needs
        create_topics(settings, needs)
        return settings

    def new_group(self, settings: KafkaSettings) -> KafkaSettings:
        """The same settings with a group that has read nothing."""
        group = f"{self._kafka.group_id}.bench-{uuid.uuid4().hex[:8]}"
        self._groups.append(group)
        return settings.model_copy(update={"group_id": group})

    def remove(self) -> None:
        """Leave the cluster as it was. What cannot be removed is told in the log."""
        try:
            admin = connect_admin(self._kafka)
        except (BrokerUnavailable, KafkaRefused) as error:
            _log.warning("topics named *.bench-* may be left: %s", error)
            return
        try:
            for group in self._groups:
                # The group is gone by then: the client deletes it and cannot read the answer.
                with suppress(ValueError):
                    admin.delete_groups([group])
            answer = admin.delete_topics(self._topics, raise_errors=False)["topics"]
            for topic in answer:
                problem = for_code(topic["error_code"])
                if problem is not NoError:
                    _log.warning("topic %s was left: %s", topic["name"], problem.__name__)
        except (KafkaError, OSError) as error:
            _log.warning("topics or groups named *.bench-* may be left: %s", error)
        finally:
            admin.close()


@contextmanager
def bench_topics(kafka: KafkaSettings) -> Iterator[BenchTopics]:
    """Raises BrokerUnavailable, KafkaRefused."""
    if kafka.bootstrap_servers is not None:
        topics = BenchTopics(kafka, kafka.bootstrap_servers)
        try:
            yield topics
        finally:
            topics.remove()
        return
    with LocalBroker() as broker:
        own = {
            "bootstrap_servers": broker.bootstrap_servers,
            "session_seconds": _LOCAL_SESSION_SECONDS,
        }
        yield BenchTopics(kafka.model_copy(update=own), "local")
