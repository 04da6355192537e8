"""A benchmark on somebody's cluster leaves nothing there."""

from __future__ import annotations

from adloom.feature_store.store import FeatureStore
from adloom.loop.bench.topics import bench_topics
from adloom.stream.consumer import EventConsumer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import topic_ids
from tests.sample_events import click
from tests.stream.test_consumer import consume, produce
from tests.world.cluster_faults import admin_of


def test_topics_and_groups_are_named_after_the_settings_and_removed(
    kafka: KafkaSettings, store: FeatureStore
) -> None:
    before = topic_ids(kafka)
    with bench_topics(kafka) as made:
        assert made.broker == kafka.bootstrap_servers
        settings = made.new_topics()
        assert settings.topic_prefix.startswith(f"{kafka.topic_prefix}.")
        assert settings.group_id.startswith(f"{kafka.group_id}.")
        produce(settings, click("c1"))
        with EventConsumer(settings, store) as consumer:
            consume(consumer, 1)
    assert topic_ids(kafka) == before
    with admin_of(kafka) as admin:
        assert not [name for name in admin.list_topics() if name.startswith(settings.topic_prefix)]
        assert settings.group_id not in str(admin.list_groups())


def test_without_a_cluster_it_has_a_broker_of_its_own() -> None:
    with bench_topics(KafkaSettings()) as made:
        assert made.broker == "local"
        assert len(topic_ids(made.new_topics())) == 3
