"""Apache Kafka whose nodes are killed, stopped and come back, under load: nothing is lost by it."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from adloom.loop.doctor.finding import Finding
from adloom.stream.consumer import EventConsumer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import connect_admin, create_topics, event_topics, topic_of
from tests.conftest import own_topics
from tests.kafka_cluster import ApacheKafka, NoApacheKafka, running_kafka
from tests.loop.doctor.looks import looked, settings_of
from tests.rough_traffic import RoughTraffic
from tests.sample_events import click
from tests.stream.test_consumer import accounted, produce, running, wait_until
from tests.stream.test_crash import finish
from tests.stream.test_group import flowing
from tests.world.member_process import MemberProcess

# A node that is killed is missed sooner than in earnest.
_IMPATIENT = ("broker.session.timeout.ms=2000", "broker.heartbeat.interval.ms=400")
_SESSION_SECONDS = 6
_NODES = 3


@pytest.fixture(scope="module")
def three_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """Three replicas of each partition, two of which must be in sync for a write."""
    try:
        folder = tmp_path_factory.mktemp("three")
        with running_kafka(folder, nodes=_NODES, properties=_IMPATIENT) as cluster:
            yield cluster
    except NoApacheKafka as error:
        pytest.skip(str(error))


def test_whoever_starts_while_a_node_is_away_asks_the_others(
    three_nodes: ApacheKafka, tmp_path: Path
) -> None:
    with (
        own_topics(three_nodes.bootstrap_servers, _SESSION_SECONDS) as kafka,
        FeatureStore.open(FeatureStoreSettings(), tmp_path) as store,
        EventConsumer(kafka, store) as running_since,
    ):
        for node in range(1, _NODES + 1):
            three_nodes.kill(node)
            running_since.check()
            for _ in range(3):
                create_topics(kafka)
                EventConsumer(kafka, store).close()
            three_nodes.start_again(node)
            wait_until(lambda: all_in_sync(kafka))


def test_the_doctor_sees_that_a_node_has_gone(three_nodes: ApacheKafka, tmp_path: Path) -> None:
    def told() -> dict[str, Finding]:
        return looked(settings_of(tmp_path, kafka=kafka), "broker")

    with own_topics(three_nodes.bootstrap_servers, _SESSION_SECONDS) as kafka:
        wait_until(lambda: told()["topics"].state == "well")
        found = told()
        assert found["broker"].looked_at.startswith("3 brokers at ")
        assert f"{topic_of(kafka, 'click')}: 2 partitions, RF 3" in found["topics"].looked_at
        three_nodes.kill(3)
        first = told()  # who asks the one that has gone asks another
        assert {finding.state for finding in first.values()} <= {"well", "note"}
        wait_until(lambda: told()["broker"].state == "note")
        found = told()
        assert found["broker"].looked_at.startswith("2 of 3 brokers at ")
        assert found["topics"].state == "note"
        assert "partitions are not in step" in found["topics"].told
        three_nodes.start_again(3)
        wait_until(lambda: all_in_sync(kafka))


def leader(kafka: KafkaSettings, topic: str) -> int:
    """The node that leads the topic's first partition."""
    admin = connect_admin(kafka)
    try:
        (described,) = admin.describe_topics([topic])
        first = min(described["partitions"], key=lambda part: part["partition_index"])
        return int(first["leader_id"])
    finally:
        admin.close()


def all_in_sync(kafka: KafkaSettings) -> bool:
    admin = connect_admin(kafka)
    try:
        described = admin.describe_topics([*event_topics(kafka), "__consumer_offsets"])
        return all(
            len(part["isr_nodes"]) == _NODES for topic in described for part in topic["partitions"]
        )
    finally:
        admin.close()


@pytest.mark.slow
@pytest.mark.timeout(3_000)
def test_leaders_and_members_are_killed_under_load(
    three_nodes: ApacheKafka, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    kills = request.config.getoption("kills")
    traffic, rng = RoughTraffic(seed=kills, astray=0.02), random.Random(kills)
    settings = FeatureStoreSettings()
    with own_topics(three_nodes.bootstrap_servers, _SESSION_SECONDS) as kafka:
        with flowing(traffic, kafka):
            members = [MemberProcess(kafka, settings, tmp_path) for _ in range(2)]
            for member in members:
                member.wait_until_it_writes()
            for number in range(kills):
                killed = leader(kafka, topic_of(kafka, "click"))
                three_nodes.kill(killed)
                time.sleep(rng.uniform(0, 3))
                members[number % 2].kill()
                members[number % 2] = MemberProcess(kafka, settings, tmp_path)
                time.sleep(rng.uniform(0, 3))
                three_nodes.start_again(killed)
                wait_until(lambda: all_in_sync(kafka))
            assert all(member.runs for member in members)
        for member in members:
            member.kill()
        with FeatureStore.open(settings, tmp_path) as store:
            finish(kafka, store, traffic)
            assert traffic.found(store) == traffic.expected()


@pytest.fixture
def one_node(tmp_path: Path) -> Iterator[ApacheKafka]:
    try:
        with running_kafka(tmp_path / "one") as cluster:
            yield cluster
    except NoApacheKafka as error:
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.long
def test_the_only_node_hangs_is_killed_and_comes_back(
    one_node: ApacheKafka, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As test_outages does with the local broker; here topics and offsets are there afterwards."""
    monkeypatch.setattr("adloom.stream.membership.running._CHECK_EVERY_SECONDS", 1.0)
    monkeypatch.setattr("adloom.stream.consumer._PATIENCE_SECONDS", 2.0)
    monkeypatch.setattr("adloom.stream.outages._LONGEST_PAUSE_SECONDS", 2.0)
    sent = 0

    def more(kafka: KafkaSettings) -> int:
        nonlocal sent
        produce(kafka, *(click(f"c{sent + n}", sent + n) for n in range(50)))
        sent += 50
        return sent

    with (
        own_topics(one_node.bootstrap_servers, _SESSION_SECONDS) as kafka,
        running(EventConsumer(kafka, store)) as consumer,
    ):
        more(kafka)
        wait_until(lambda: accounted(consumer) == sent and consumer.ready)
        one_node.signal(1, signal.SIGSTOP)
        try:
            wait_until(lambda: not consumer.ready)
        finally:
            one_node.signal(1, signal.SIGCONT)
        wait_until(lambda: consumer.ready)
        more(kafka)
        wait_until(lambda: accounted(consumer) == sent)
        one_node.kill(1)
        wait_until(lambda: not consumer.ready)
        one_node.start_again(1)
        wait_until(lambda: consumer.ready)
        more(kafka)
        wait_until(lambda: accounted(consumer) >= sent)
        wait_until(lambda: consumer.lag == 0 and consumer.ready)
    assert store.user_stats(["ann"])["ann"].clicks == sent
    assert len(store.log.read()) == sent
