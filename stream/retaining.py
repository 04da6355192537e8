"""How long adloom's own topics keep what is in them."""

from __future__ import annotations

from contextlib import closing

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError

from adloom.stream.settings import KafkaSettings
from adloom.stream.topic_names import dead_letter_topic, event_topics
from adloom.stream.topics import connect_admin

RETENTION = "retention.ms"
_MILLISECONDS_OF_A_DAY = 86_400_000


def own_topics(kafka: KafkaSettings) -> list[str]:
    """Topics of events and dead letters that are not the shop's by a name of its own."""
    every = [*event_topics(kafka), dead_letter_topic(kafka)]
    return [topic for topic in every if topic.startswith(f"{kafka.topic_prefix}.")]


def retention_of(admin: KafkaAdminClient, topic: str) -> int | None:
    """Milliseconds; -1 for ever; None where the cluster does not say."""
    asked = [ConfigResource(ConfigResourceType.TOPIC, topic)]
    try:
        told = admin.describe_configs(asked, config_filter="all")
        return int(told["topic"][topic][RETENTION]["value"])
    except (KafkaError, KeyError, TypeError, ValueError):
        return None


def retain(kafka: KafkaSettings, days: int) -> tuple[list[str], list[str]]:
    """Has adloom's own topics keep nothing for longer; topics, and what could not be set and why.

    A topic that keeps less already stays so. Raises BrokerUnavailable, KafkaRefused.
    """
    most, done, problems = days * _MILLISECONDS_OF_A_DAY, [], []
    with closing(connect_admin(kafka)) as admin:
        for topic in own_topics(kafka):
            kept = retention_of(admin, topic)
            if kept is None or not 0 <= kept <= most:
                change = ConfigResource(ConfigResourceType.TOPIC, topic, {RETENTION: str(most)})
                try:
                    admin.alter_configs([change])
                except (KafkaError, ValueError) as error:
                    problems.append(
                        f"{topic} keeps its records for longer: set its {RETENTION} to {most} "
                        f"({type(error).__name__}; it takes the right AlterConfigs)"
                    )
                    continue
            done.append(topic)
    return done, problems
