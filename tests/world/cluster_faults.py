"""What operators and time do to the topics and the group of a running stream."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, MemberToRemove, NewTopic, OffsetSpec
from kafka.errors import (
    GroupIdNotFoundError,
    KafkaError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)

from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import connect_admin, create_topics, event_topics

_PATIENCE_SECONDS = 30.0
_BETWEEN_TOPICS_SECONDS = 0.2


@contextmanager
def admin_of(kafka: KafkaSettings) -> Iterator[KafkaAdminClient]:
    """A client for the block."""
    admin = connect_admin(kafka)
    try:
        yield admin
    finally:
        admin.close()


def raise_partitions(kafka: KafkaSettings, partitions: int) -> None:
    """One topic after the other, as tools do it."""
    with admin_of(kafka) as admin:
        for topic in event_topics(kafka):
            admin.create_partitions({topic: partitions})
            time.sleep(_BETWEEN_TOPICS_SECONDS)


def make_topics_anew(kafka: KafkaSettings, partitions: int) -> None:
    """Deletes the event topics with all their records; others of the same names come."""
    topics = list(event_topics(kafka))
    with admin_of(kafka) as admin:
        admin.delete_topics(topics)
        for topic in topics:
            _create(admin, NewTopic(topic, partitions, -1))
    create_topics(kafka)  # there is nothing to create: it waits until they are offered


def delete_topics(kafka: KafkaSettings) -> None:
    """All that are named after the prefix."""
    with admin_of(kafka) as admin:
        topics = [name for name in admin.list_topics() if name.startswith(kafka.topic_prefix)]
        admin.delete_topics(topics)


def _create(admin: KafkaAdminClient, topic: NewTopic) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            admin.create_topics([topic])
        except TopicAlreadyExistsError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
            # The local broker may need to be told twice.
            with suppress(UnknownTopicOrPartitionError):
                admin.delete_topics([topic.name])
        else:
            return


def delete_records(kafka: KafkaSettings, partition: TopicPartition, before: int) -> None:
    """As retention does it."""
    with admin_of(kafka) as admin:
        admin.delete_records({partition: before})


def move_commits(kafka: KafkaSettings, to: str) -> None:
    """The group's committed offsets: to the `earliest` or the `latest`, or `deleted`.

    The group has no members.
    """
    with admin_of(kafka) as admin:
        described = admin.describe_topics(list(event_topics(kafka)))
        partitions = [
            TopicPartition(topic["name"], part["partition_index"])
            for topic in described
            for part in topic["partitions"]
        ]
        if to == "deleted":
            with suppress(GroupIdNotFoundError):  # nobody has committed anything
                admin.delete_group_offsets(kafka.group_id, partitions)
        else:
            spec = OffsetSpec.EARLIEST if to == "earliest" else OffsetSpec.LATEST
            admin.reset_group_offsets(kafka.group_id, dict.fromkeys(partitions, spec))


def put_out_members(kafka: KafkaSettings) -> None:
    """All of the group: those that are dead are missed no more, the others join again.

    What the local broker says of a group cannot be read: there the dead are missed for a session.
    """
    with admin_of(kafka) as admin, suppress(KafkaError, ValueError):
        group = admin.describe_groups([kafka.group_id])[kafka.group_id]
        members = [MemberToRemove(member_id=known["member_id"]) for known in group["members"]]
        if members:
            admin.remove_group_members(kafka.group_id, members)
