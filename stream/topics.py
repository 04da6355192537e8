"""The topics on the cluster: how they come to be, and what it says of them.

Those of events are keyed by user id and have the same number of partitions, so one member of the
consumer group sees everything that a user does. Products are keyed by their id.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any

from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import (
    AuthorizationError,
    NoError,
    RetriableError,
    TopicAlreadyExistsError,
    for_code,
)

from adloom.stream.cluster.group import members_of
from adloom.stream.cluster.partitions import UnevenTopics
from adloom.stream.cluster.reaching import answered, reach
from adloom.stream.cluster.refusals import BrokerUnavailable as BrokerUnavailable
from adloom.stream.cluster.refusals import KafkaRefused, missing_rights
from adloom.stream.cluster.rights import Needs, refuse_missing
from adloom.stream.settings import KafkaSettings
from adloom.stream.topic_names import dead_letter_topic as dead_letter_topic
from adloom.stream.topic_names import event_topics as event_topics
from adloom.stream.topic_names import products_topic as products_topic
from adloom.stream.topic_names import topic_of as topic_of

_BROKER_DEFAULT = -1
_PATIENCE_SECONDS = 30.0
_REACH_SECONDS = 15.0
_OFFERED_SECONDS = 15.0
_LOOK_SECONDS = 0.1
_NEWS_SECONDS = 1.0
"""After which each node knows the topics that another one made."""


def connect_admin(
    settings: KafkaSettings, *, patience_seconds: float = _PATIENCE_SECONDS
) -> KafkaAdminClient:
    """A client for topics and groups; a request fails after the patience.

    Raises BrokerUnavailable, KafkaRefused.
    """
    reach(settings, min(patience_seconds, _REACH_SECONDS))

    def connected() -> KafkaAdminClient:
        return KafkaAdminClient(
            **settings.client_options(),
            request_timeout_ms=int(patience_seconds * 1000),
            bootstrap_timeout_ms=int(_REACH_SECONDS * 1000),
        )

    return answered(connected, settings, patience_seconds)


def create_topics(settings: KafkaSettings, needs: Needs | None = None) -> list[str]:
    """Creates the topics that do not exist yet, and says which these were.

    Topics of events that come to others get as many partitions as those have. For topics that
    exist nothing is asked but to describe them, which is all that some logins may.

    Args:
        needs: topics and rights on them; all of adloom's topics by default.

    Raises BrokerUnavailable; KafkaRefused when a right is missing.
    """
    every = [*event_topics(settings), dead_letter_topic(settings), products_topic(settings)]
    wanted: Needs = dict.fromkeys(every, frozenset()) if needs is None else needs
    with closing(connect_admin(settings)) as admin:
        made: list[str] = answered(
            lambda: _create_missing(admin, settings, wanted), settings, _PATIENCE_SECONDS
        )
    return made


def check_topics(settings: KafkaSettings, needs: Needs) -> None:
    """Raises BrokerUnavailable when a topic is missing, KafkaRefused when a right is."""
    with closing(TopicWatch(settings, needs)) as topics:
        topics.look()


def not_offered(settings: KafkaSettings, topics: Iterable[str]) -> str:
    """What to say of topics that do not exist."""
    return f"{settings.bootstrap_servers} does not offer {', '.join(topics)}"


def _create_missing(admin: KafkaAdminClient, settings: KafkaSettings, needs: Needs) -> list[str]:
    events = event_topics(settings)
    there = _partitions(admin, needs, settings)
    sizes = {there[name] for name in events if name in there}
    size = sizes.pop() if len(sizes) == 1 else settings.partitions
    new = [name for name in needs if name not in there]
    for name in new:
        number = size if name in events else settings.partitions
        _create(admin, settings, name, number, compacted=name == products_topic(settings))
    _wait_for(admin, new, settings)
    return new


def _partitions(admin: KafkaAdminClient, needs: Needs, settings: KafkaSettings) -> dict[str, int]:
    """How many partitions each of the topics has that the broker offers. Raises KafkaRefused."""
    described = admin.describe_topics(list(needs))
    refuse_missing(described, needs, settings)
    return {t["name"]: len(t["partitions"]) for t in described if not t["error_code"]}


def _wait_for(admin: KafkaAdminClient, names: Sequence[str], settings: KafkaSettings) -> None:
    """Until the broker offers new topics: that it made them is no news to all of it yet."""
    deadline = time.monotonic() + _OFFERED_SECONDS
    needs: Needs = dict.fromkeys(names, frozenset())
    while names and len(_partitions(admin, needs, settings)) < len(names):
        if time.monotonic() > deadline:
            return
        time.sleep(_LOOK_SECONDS)


def _create(
    admin: KafkaAdminClient, settings: KafkaSettings, name: str, partitions: int, *, compacted: bool
) -> None:
    configs = {"cleanup.policy": "compact"} if compacted else {}
    topic = NewTopic(name, partitions, _BROKER_DEFAULT, topic_configs=configs)
    [made] = admin.create_topics([topic], raise_errors=False)["topics"]
    error = for_code(made["error_code"])
    if error in (NoError, TopicAlreadyExistsError):  # another process was faster
        return
    if issubclass(error, AuthorizationError):
        raise missing_rights(settings, [("Create", f"topic {name}, which does not exist")])
    told = f"{settings.bootstrap_servers}: topic {name} cannot be created: "
    told += made.get("error_message") or error.description or error.__name__
    raise BrokerUnavailable(told) if issubclass(error, RetriableError) else KafkaRefused(told)


class TopicWatch:
    """Topics as the broker has them, asked again at will over one connection."""

    def __init__(
        self, settings: KafkaSettings, needs: Needs, *, patience_seconds: float = _PATIENCE_SECONDS
    ) -> None:
        """Raises BrokerUnavailable, KafkaRefused.

        Args:
            needs: topics that must be there, and rights on them.
        """
        self._settings = settings
        self._needs = needs
        self._patience_seconds = patience_seconds
        self._admin = connect_admin(settings, patience_seconds=patience_seconds)

    def look(self) -> list[dict[str, Any]]:
        """The topics, as Kafka describes them.

        Raises BrokerUnavailable, also when one is missing; KafkaRefused when a right is.
        """
        deadline = time.monotonic() + _NEWS_SECONDS
        while True:
            described: list[dict[str, Any]] = answered(
                lambda: self._admin.describe_topics(list(self._needs)),
                self._settings,
                self._patience_seconds,
            )
            refuse_missing(described, self._needs, self._settings)
            missing = sorted(topic["name"] for topic in described if topic["error_code"])
            if not missing:
                return described
            if time.monotonic() > deadline:
                raise BrokerUnavailable(not_offered(self._settings, missing))
            time.sleep(_LOOK_SECONDS)

    def consumers(self) -> int | None:
        """How many members the consumer group has; None where the cluster does not say."""
        return members_of(self._admin, self._settings.group_id)

    def close(self) -> None:
        """Lets the connection go."""
        self._admin.close()


class EventTopics(TopicWatch):
    """The event topics, and what else is needed beside them."""

    def __init__(
        self,
        settings: KafkaSettings,
        needs: Needs | None = None,
        *,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        """Raises BrokerUnavailable, KafkaRefused."""
        events: Needs = dict.fromkeys(event_topics(settings), frozenset())
        super().__init__(settings, {**events, **(needs or {})}, patience_seconds=patience_seconds)
        self.partitions = 0  # of each event topic, as of the last answer

    def ids(self) -> dict[str, str]:
        """The id of each event topic: a topic that was deleted and made again has another.

        Raises BrokerUnavailable; KafkaRefused when a right is missing; UnevenTopics.
        """
        events = event_topics(self._settings)
        described = [topic for topic in self.look() if topic["name"] in events]
        partitions = {topic["name"]: len(topic["partitions"]) for topic in described}
        if len(set(partitions.values())) != 1:
            raise UnevenTopics(partitions)
        self.partitions = max(partitions.values())
        return {topic["name"]: str(topic["topic_id"]) for topic in described}


def topic_ids(settings: KafkaSettings) -> dict[str, str]:
    """The ids of the event topics, asked once by who reads them. Raises as `EventTopics` does."""
    needs = dict.fromkeys(event_topics(settings), frozenset({"Read"}))
    with closing(EventTopics(settings, needs)) as topics:
        return topics.ids()
