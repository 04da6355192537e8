"""The four topics, by the prefix of the settings, and how they come to be.

All are keyed by user id, and the three of events have the same number of partitions, so one
member of the consumer group sees everything that a user does.
"""

from __future__ import annotations

from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from adloom.stream.events import EVENT_TYPES, Kind
from adloom.stream.settings import KafkaSettings

_BROKER_DEFAULT = -1
_PATIENCE_SECONDS = 30.0
_BOOTSTRAP_SECONDS = 15.0


class BrokerUnavailable(RuntimeError):
    """No Kafka broker answers, or none can be started."""


def topic_of(settings: KafkaSettings, kind: Kind) -> str:
    """The topic that events of a kind go to, such as `adloom.clicks`."""
    return f"{settings.topic_prefix}.{kind}s"


def event_topics(settings: KafkaSettings) -> dict[str, Kind]:
    """What kind of event each topic carries."""
    return {topic_of(settings, kind): kind for kind in EVENT_TYPES}


def dead_letter_topic(settings: KafkaSettings) -> str:
    """Where payloads go that are not events."""
    return f"{settings.topic_prefix}.deadletter"


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
    """Creates the topics that do not exist yet. Raises BrokerUnavailable."""
    admin = connect_admin(settings)
    try:
        for name in (*event_topics(settings), dead_letter_topic(settings)):
            try:
                admin.create_topics([NewTopic(name, settings.partitions, _BROKER_DEFAULT)])
            except TopicAlreadyExistsError:
                continue
    finally:
        admin.close()


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
