"""Topics whose partitions are raised while members run, or are more than the features can hold."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from kafka.admin import KafkaAdminClient, NewPartitions

from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from adloom.stream.cluster.partitions import TooFewShards, UnevenTopics
from adloom.stream.consumer import EventConsumer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import connect_admin, event_topics, topic_of
from tests.stream.test_consumer import produce, running, wait_until
from tests.stream.test_outages import clicks, clicks_of
from tests.stream.test_placing import remake_topics
from tests.stream.test_unreadable import problem, send


@pytest.fixture
def admin(apache_kafka: KafkaSettings) -> Iterator[KafkaAdminClient]:
    client = connect_admin(apache_kafka)
    yield client
    client.close()


def raise_partitions(admin: KafkaAdminClient, topics: list[str], number: int) -> None:
    admin.create_partitions({topic: NewPartitions(number) for topic in topics})


def test_partitions_are_raised_one_topic_after_the_other(
    admin: KafkaAdminClient, apache_kafka: KafkaSettings, store: FeatureStore
) -> None:
    """What time heals is waited for; new partitions are noticed within seconds."""
    first, *others = event_topics(apache_kafka)
    with running(EventConsumer(apache_kafka, store)) as consumer:
        produce(apache_kafka, *clicks(0, 20))
        wait_until(lambda: clicks_of(store) == 20 and consumer.ready)
        raise_partitions(admin, [first], 4)
        wait_until(lambda: "the same number of partitions" in problem(consumer))
        raise_partitions(admin, others, 4)
        wait_until(lambda: consumer.ready and len(consumer._member.known) == 12)
        produce(apache_kafka, *clicks(20, 40))
        for partition in range(4):
            send(apache_kafka, partition, "ab")  # of a user of its own
        wait_until(lambda: clicks_of(store) == 68 and consumer.lag == 0)
        assert consumer.ready


def test_a_group_that_takes_its_time_to_share_out_partitions_is_waited_for(
    admin: KafkaAdminClient, apache_kafka: KafkaSettings, store: FeatureStore
) -> None:
    """Longer than a poll lasts: the member still learns what it is to read."""
    kafka = apache_kafka.model_copy(update={"poll_seconds": 0.001})
    with running(EventConsumer(kafka, store)) as consumer:
        wait_until(lambda: consumer.ready and len(consumer._member.known) == 6)
        for partitions in (3, 4, 5):
            raise_partitions(admin, list(event_topics(kafka)), partitions)
            wait_until(partial(has_partitions, consumer, 3 * partitions))
        produce(kafka, *clicks(0, 30))
        wait_until(lambda: clicks_of(store) == 30 and consumer.ready)


def test_topics_made_anew_with_fewer_partitions_are_read_on(
    apache_kafka: KafkaSettings, store: FeatureStore
) -> None:
    with running(EventConsumer(apache_kafka, store)) as consumer:
        sent = 0
        for partitions in (3, 1, 2):
            remake_topics(apache_kafka.model_copy(update={"partitions": partitions}))
            produce(apache_kafka, *clicks(sent, 20))
            sent += 20
            wait_until(partial(has_all, consumer, store, sent))


def has_partitions(consumer: EventConsumer, number: int) -> bool:
    return len(consumer._member.known) == number


def has_all(consumer: EventConsumer, store: FeatureStore, number: int) -> bool:
    return clicks_of(store) == number and consumer.ready


def test_a_member_may_be_started_while_topics_differ(
    admin: KafkaAdminClient, apache_kafka: KafkaSettings, store: FeatureStore
) -> None:
    first, *others = event_topics(apache_kafka)
    raise_partitions(admin, [first], 4)
    with running(EventConsumer(apache_kafka, store)) as consumer:
        wait_until(lambda: f"{first} has 4" in problem(consumer))
        raise_partitions(admin, others, 4)
        produce(apache_kafka, *clicks(0, 20))
        wait_until(lambda: clicks_of(store) == 20 and consumer.ready)


def test_who_polls_alone_is_told_that_topics_differ(
    admin: KafkaAdminClient, apache_kafka: KafkaSettings, store: FeatureStore
) -> None:
    raise_partitions(admin, list(event_topics(apache_kafka))[:1], 4)
    with EventConsumer(apache_kafka, store) as consumer, pytest.raises(UnevenTopics):
        poll_until_placed(consumer)


def poll_until_placed(consumer: EventConsumer) -> None:
    while not consumer.has_partitions:
        consumer.poll()


def test_more_partitions_than_shards_are_refused_at_start(
    kafka: KafkaSettings, store: FeatureStore
) -> None:
    few = FeatureStoreSettings(item_shards=1)
    with (
        FeatureStore.open(few, store.folder / "few") as small,
        pytest.raises(TooFewShards, match=r"set features.item_shards to 2 or more \(it is 1\)"),
    ):
        EventConsumer(kafka, small)


def test_more_partitions_than_shards_are_told_while_it_runs(
    admin: KafkaAdminClient, apache_kafka: KafkaSettings, store: FeatureStore
) -> None:
    two = FeatureStoreSettings(item_shards=2)
    with (
        FeatureStore.open(two, store.folder / "two") as small,
        running(EventConsumer(apache_kafka, small)) as consumer,
    ):
        wait_until(lambda: consumer.ready)
        raise_partitions(admin, list(event_topics(apache_kafka)), 3)
        wait_until(lambda: "set features.item_shards to 3 or more" in problem(consumer))
        assert not consumer.ready
    with FeatureStore.open(FeatureStoreSettings(), store.folder / "two") as larger:
        produce(apache_kafka, *clicks(0, 30))
        with running(EventConsumer(apache_kafka, larger)) as consumer:
            wait_until(lambda: clicks_of(larger) == 30 and consumer.ready)


def test_a_topic_that_is_gone_is_waited_for(
    admin: KafkaAdminClient, apache_kafka: KafkaSettings, store: FeatureStore
) -> None:
    topic = topic_of(apache_kafka, "exposure")
    with running(EventConsumer(apache_kafka, store)) as consumer:
        wait_until(lambda: consumer.ready)
        admin.delete_topics([topic])
        wait_until(lambda: f"does not offer {topic}" in problem(consumer))
