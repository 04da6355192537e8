"""How a cluster stands: its servers, topics and rights, asked and not changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, OffsetSpec
from kafka.errors import KafkaError, TopicAuthorizationFailedError

from adloom.stream.cluster.refusals import KafkaRefused
from adloom.stream.cluster.rights import Needs, refuse_missing
from adloom.stream.settings import KafkaSettings

_NOT_TOLD = TopicAuthorizationFailedError.errno


@dataclass(frozen=True)
class TopicStanding:
    """A topic that is there.

    Attributes:
        replicas: of the partition that has the fewest.
        behind: partitions of which a replica is not in step.
        headless: partitions that nobody leads: they are neither read nor written.
        configs: by name; None where the cluster does not tell.
        newest: seconds since 1970 that its newest record tells; None where it has none.
    """

    name: str
    partitions: int
    replicas: int
    behind: int
    headless: int
    configs: Mapping[str, str] | None = None
    newest: float | None = None


@dataclass(frozen=True)
class Standing:
    """Topics as they are.

    Attributes:
        missing: those that the cluster does not offer.
    """

    topics: Sequence[TopicStanding]
    missing: Sequence[str]
    described: Sequence[Mapping[str, Any]] = field(repr=False, default=())

    def lacks(self, needs: Needs, kafka: KafkaSettings) -> str | None:
        """Which rights a use of the stream lacks on the topics that are there, in words."""
        try:
            of_use = [one for one in self.described if one["name"] in needs]
            refuse_missing(of_use, {t: r for t, r in needs.items() if t not in self.missing}, kafka)
        except KafkaRefused as error:
            return str(error)
        return None


def standing(admin: KafkaAdminClient, names: Sequence[str]) -> Standing:
    """Asks for topics by their names. Raises KafkaError."""
    described = admin.describe_topics(list(names))
    there = [topic for topic in described if not topic["error_code"]]
    configs = _configs(admin, [topic["name"] for topic in there])
    newest = _newest(admin, there)
    return Standing(
        [_topic(one, configs.get(one["name"]), newest.get(one["name"])) for one in there],
        sorted(one["name"] for one in described if one["error_code"] not in (0, _NOT_TOLD)),
        described,
    )


def lag(admin: KafkaAdminClient, group_id: str, topics: Iterable[TopicStanding]) -> int | None:
    """Records that the group has not committed yet; None where the cluster does not say."""
    places = [
        TopicPartition(one.name, number) for one in topics for number in range(one.partitions)
    ]
    try:
        committed = admin.list_group_offsets({group_id: places})[group_id]
        ends = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST))
        starts = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.EARLIEST))
    except (KafkaError, ValueError, KeyError):
        return None
    done = {place: found.offset for place, found in committed.items() if found.offset >= 0}
    return sum(
        max(0, ends[place].offset - max(done.get(place, 0), starts[place].offset))
        for place in places
        if place in ends and place in starts
    )


def _topic(
    described: Mapping[str, Any], configs: Mapping[str, str] | None, newest: float | None
) -> TopicStanding:
    parts = described["partitions"]
    return TopicStanding(
        described["name"],
        len(parts),
        min((len(part["replica_nodes"]) for part in parts), default=0),
        sum(len(part["isr_nodes"]) < len(part["replica_nodes"]) for part in parts),
        sum(part["leader_id"] < 0 for part in parts),
        configs,
        newest,
    )


def _configs(admin: KafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """None of a cluster that does not tell them, or not to this login."""
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    try:
        found = admin.describe_configs(asked, config_filter="all") if asked else {}
    except (KafkaError, ValueError):
        return {}
    told: dict[str, dict[str, str]] = {}
    for by_name in found.values():
        for name, configs in by_name.items():
            if configs:
                told[name] = {key: str(one["value"]) for key, one in configs.items()}
    return told


def _newest(admin: KafkaAdminClient, described: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    places = {
        TopicPartition(topic["name"], part["partition_index"]): OffsetSpec.MAX_TIMESTAMP
        for topic in described
        for part in topic["partitions"]
    }
    try:
        found = admin.list_partition_offsets(places) if places else {}
    except (KafkaError, ValueError):
        return {}
    newest: dict[str, float] = {}
    for place, answer in found.items():
        if answer.timestamp > 0:
            newest[place.topic] = max(newest.get(place.topic, 0.0), answer.timestamp / 1000)
    return newest
