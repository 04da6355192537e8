"""The topics' names, as the settings give them; nothing here asks a cluster."""

from __future__ import annotations

from adloom.stream.event_settings import EventSettings
from adloom.stream.events import EVENT_TYPES, Kind
from adloom.stream.settings import KafkaSettings


def topic_of(settings: KafkaSettings, kind: Kind) -> str:
    """The topic that events of a kind go to, such as `adloom.clicks`."""
    return settings.topic(f"{kind}s")


def event_topics(settings: KafkaSettings) -> dict[str, tuple[Kind, ...]]:
    """What kinds of events each topic carries: one, where the settings do not say otherwise.

    Outcomes have a topic only where the settings name it: who needs none needs no rights on it.
    """
    topics: dict[str, tuple[Kind, ...]] = {}
    for kind in EVENT_TYPES:
        if kind == "outcome" and not takes_outcomes(settings):
            continue
        topic = topic_of(settings, kind)
        topics[topic] = (*topics.get(topic, ()), kind)
    return topics


def takes_outcomes(settings: KafkaSettings) -> bool:
    """Whether there is a topic that outcomes go to."""
    return settings.topics.outcomes is not None


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
