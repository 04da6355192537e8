"""The topics, by the names of the settings, and how they come to be.

Those of events are keyed by user id and have the same number of partitions, so one member of the
consumer group sees everything that a user does. Products are keyed by their id.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection

from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from adloom.stream.event_settings import EventSettings
from adloom.stream.events import EVENT_TYPES, Kind
from adloom.stream.settings import KafkaSettings

_BROKER_DEFAULT = -1
_PATIENCE_SECONDS = 30.0
_BOOTSTRAP_SECONDS = 15.0
_OFFERED_SECONDS = 15.0
_LOOK_SECONDS = 0.1


class BrokerUnavailable(RuntimeError):
    """No Kafka broker answers, or none can be started."""


def topic_of(settings: KafkaSettings, kind: Kind) -> str:
    """The topic that events of a kind go to, such as `adloom.clicks`."""
    return settings.topic(f"{kind}s")


def event_topics(settings: KafkaSettings) -> dict[str, tuple[Kind, ...]]:
    """What kinds of events each topic carries: one, where the settings do not say otherwise."""
    topics: dict[str, tuple[Kind, ...]] = {}
    for kind in EVENT_TYPES:
        topic = topic_of(settings, kind)
        topics[topic] = (*topics.get(topic, ()), kind)
    return topics


def refuse_untold_kinds(kafka: KafkaSettings, events: EventSettings) -> None:
    """Raises ValueError when kinds of events share a topic and nothing tells them apart."""
    for topic, kinds in event_topics(kafka).items():
        if len(kinds) > 1 and events.kind is None:
            keys = " and ".join(f"kafka.topics.{kind}s" for kind in kinds)
            raise ValueError(f"{keys} are both {topic!r}: set events.kind, which tells them apart")


def dead_letter_topic(settings: KafkaSettings) -> str:
    """Where payloads go that are not events."""
    return settings.topic("deadletter")


def products_topic(settings: KafkaSettings) -> str:
    """Where products come from: compacted, keyed by product id."""
    return settings.topic("products")


def connect_admin(
    settings: KafkaSettings, *, patience_seconds: float = _PATIENCE_SECONDS
) -> KafkaAdminClient:
    """A client for topics and groups; a request fails after the patience.

    Raises BrokerUnavailable.
    """
    try:
        return KafkaAdminClient(
            **settings.client_options(),
            request_timeout_ms=int(patience_seconds * 1000),
            bootstrap_timeout_ms=int(_BOOTSTRAP_SECONDS * 1000),
        )
    except (KafkaError, OSError) as error:
        raise BrokerUnavailable(
            f"no Kafka broker answers at {settings.bootstrap_servers}: {error}"
        ) from error


def create_topics(settings: KafkaSettings) -> None:
    """Creates the topics that do not exist yet. Raises BrokerUnavailable.

    Topics of events that come to others get as many partitions as those have. For topics that
    exist nothing is asked but to describe them, which is all that some logins may.
    """
    events, letters = list(event_topics(settings)), dead_letter_topic(settings)
    products = products_topic(settings)
    admin = connect_admin(settings)
    try:
        wanted = {*events, letters, products}
        there = _partitions(admin, wanted)
        sizes = {there[name] for name in events if name in there}
        size = sizes.pop() if len(sizes) == 1 else settings.partitions
        new = wanted - there.keys()
        for name in new:
            _create(admin, name, size if name in events else settings.partitions, name == products)
        _wait_for(admin, new)
    except (KafkaError, OSError) as error:
        raise BrokerUnavailable(
            f"topics cannot be created at {settings.bootstrap_servers}: {error}"
        ) from error
    finally:
        admin.close()


def _partitions(admin: KafkaAdminClient, names: Collection[str]) -> dict[str, int]:
    """How many partitions each of the topics has that the broker offers."""
    described = admin.describe_topics(list(names))
    return {t["name"]: len(t["partitions"]) for t in described if not t["error_code"]}


def _wait_for(admin: KafkaAdminClient, names: Collection[str]) -> None:
    """Until the broker offers new topics: that it made them is no news to all of it yet."""
    deadline = time.monotonic() + _OFFERED_SECONDS
    while names and len(_partitions(admin, names)) < len(names) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)


def _create(admin: KafkaAdminClient, name: str, partitions: int, compacted: bool) -> None:
    configs = {"cleanup.policy": "compact"} if compacted else {}
    topic = NewTopic(name, partitions, _BROKER_DEFAULT, topic_configs=configs)
    with contextlib.suppress(TopicAlreadyExistsError):  # another process was faster
        admin.create_topics([topic])


class EventTopics:
    """The event topics as the broker has them, asked again at will over one connection."""

    def __init__(
        self, settings: KafkaSettings, *, patience_seconds: float = _PATIENCE_SECONDS
    ) -> None:
        """Raises BrokerUnavailable."""
        self._settings = settings
        self._admin = connect_admin(settings, patience_seconds=patience_seconds)

    def ids(self) -> dict[str, str]:
        """The id of each event topic: a topic that was deleted and made again has another.

        Raises BrokerUnavailable; ValueError when the event topics differ in partitions.
        """
        servers = self._settings.bootstrap_servers
        try:
            described = self._admin.describe_topics(list(event_topics(self._settings)))
        except (KafkaError, OSError) as error:
            raise BrokerUnavailable(f"no Kafka broker answers at {servers}: {error}") from error
        missing = sorted(topic["name"] for topic in described if topic["error_code"])
        if missing:
            raise BrokerUnavailable(f"{servers} does not offer {', '.join(missing)}")
        partitions = {topic["name"]: len(topic["partitions"]) for topic in described}
        if len(set(partitions.values())) != 1:
            raise ValueError(
                f"the event topics must have the same number of partitions: {partitions}"
            )
        return {topic["name"]: str(topic["topic_id"]) for topic in described}

    def close(self) -> None:
        """Lets the connection go."""
        self._admin.close()


def topic_ids(settings: KafkaSettings) -> dict[str, str]:
    """The ids of the event topics, asked once. Raises as `EventTopics.ids` does."""
    topics = EventTopics(settings)
    try:
        return topics.ids()
    finally:
        topics.close()
