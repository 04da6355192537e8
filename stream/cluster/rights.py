"""Rights on topics, as the cluster tells them with a topic's description."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kafka.errors import TopicAuthorizationFailedError

from adloom.stream.cluster.refusals import missing_rights
from adloom.stream.settings import KafkaSettings

Needs = Mapping[str, frozenset[str]]
"""Rights by topic, as Kafka calls them: Read, Write."""


def refuse_missing(
    described: Iterable[Mapping[str, Any]], needs: Needs, kafka: KafkaSettings
) -> None:
    """Raises KafkaRefused, with all rights that are missing on topics that were described.

    A cluster that has no ACLs, or does not tell them, grants everything.
    """
    missing = []
    for topic in described:
        needed = needs.get(topic["name"], frozenset())
        if topic["error_code"] == TopicAuthorizationFailedError.errno:
            lacked = needed or {"Describe"}
        else:
            granted = {str(right).title() for right in topic["authorized_operations"] or ()}
            lacked = needed - granted if granted else frozenset()
        missing += [(right, f"topic {topic['name']}") for right in sorted(lacked)]
    if missing:
        raise missing_rights(kafka, sorted(missing, key=lambda right: right[1]))


def together(*needs: Needs) -> Needs:
    """What all of them need."""
    names = {name for each in needs for name in each}
    none: frozenset[str] = frozenset()
    return {name: none.union(*(each.get(name, none) for each in needs)) for name in names}
