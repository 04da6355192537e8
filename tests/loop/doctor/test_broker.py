"""The cluster and its topics, as they are found; none is made by looking."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from kafka.admin import NewPartitions

from adloom.loop.doctor.finding import Finding
from adloom.stream.broker import LocalBroker
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import topic_of
from tests.kafka_cluster import PASSWORD, USER, ApacheKafka
from tests.loop.doctor.looks import looked, settings_of
from tests.stream.test_consumer import wait_until
from tests.tcp_gate import State, TcpGate
from tests.world.cluster_faults import admin_of


def told(tmp_path: Path, kafka: KafkaSettings, **features: int) -> dict[str, Finding]:
    return looked(settings_of(tmp_path, kafka=kafka, features=features), "broker")


def test_a_cluster_that_is_well(tmp_path: Path, kafka: KafkaSettings) -> None:
    found = told(tmp_path, kafka)
    assert "1 broker at " in found["broker"].looked_at
    assert f"{topic_of(kafka, 'click')}: 2 partitions, RF 1" in found["topics"].looked_at
    assert found["topics"].state == "well", found["topics"]
    assert found["codecs"].looked_at == "gzip, lz4, snappy, zstd are read"
    assert "enough for consume, serve, products" in found["rights"].looked_at
    assert found["group"].looked_at.startswith(f"{kafka.group_id}: ")


def test_topics_that_are_missing_stay_so(tmp_path: Path, broker: LocalBroker) -> None:
    prefix = f"none-{uuid.uuid4().hex}"
    kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, topic_prefix=prefix)
    finding = told(tmp_path, kafka)["topics"]
    assert finding.state == "note"
    assert f"not there yet: {prefix}.clicks" in finding.told
    with admin_of(kafka) as admin:
        assert not any(name.startswith(prefix) for name in admin.list_topics())


def test_more_partitions_than_shards(tmp_path: Path, kafka: KafkaSettings) -> None:
    finding = told(tmp_path, kafka, item_shards=1)["topics"]
    assert finding.state == "wrong"
    assert "set features.item_shards to 2 or more" in finding.told


def test_topics_that_differ_and_forget(tmp_path: Path, apache_kafka: KafkaSettings) -> None:
    from kafka.admin import ConfigResource, ConfigResourceType

    clicks, products = topic_of(apache_kafka, "click"), apache_kafka.topic("products")
    with admin_of(apache_kafka) as admin:
        admin.create_partitions({clicks: NewPartitions(3)})
        for name, configs in (
            (clicks, {"retention.ms": "60000", "max.message.bytes": "1000"}),
            (products, {"cleanup.policy": "delete"}),
        ):
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=configs)])
    # Who asks for the first group of a cluster may have to ask again.
    wait_until(lambda: "0 members" in told(tmp_path, apache_kafka)["group"].looked_at)
    found = told(tmp_path, apache_kafka)
    assert "run adloom consume" in found["group"].told
    finding = found["topics"]
    assert finding.state == "wrong"
    for line in (
        f"{clicks} has 3",
        f"{products} forgets products: set its cleanup.policy to compact",
        f"{clicks} takes no event of 65,536 bytes: raise its max.message.bytes",
        f"{clicks} keeps events for 0:01:00: who consumes must never be away for longer",
    ):
        assert line in finding.told


def test_logins_and_rights_on_apache_kafka(
    tmp_path: Path, apache: ApacheKafka, apache_kafka: KafkaSettings
) -> None:
    login = {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_username": USER,
        "sasl_password": PASSWORD,
        "bootstrap_servers": apache.login_servers,
    }
    as_user = KafkaSettings.model_validate(dict(apache_kafka) | login)
    found = told(tmp_path, as_user)
    assert f"as user '{USER}'" in found["broker"].looked_at
    assert found["rights"].state == "wrong"  # none were granted
    assert f"no right Write on topic {topic_of(as_user, 'click')}" in found["rights"].told
    wrong = KafkaSettings.model_validate(dict(as_user) | {"sasl_password": "guessed-it"})
    [finding] = told(tmp_path, wrong).values()
    assert finding.state == "wrong"
    assert "is refused: see kafka.sasl_username" in finding.told
    assert "guessed-it" not in finding.told


@pytest.mark.parametrize("state", ["refuse", "drop", "hang", "cut"])
def test_a_cluster_that_is_away(tmp_path: Path, broker: LocalBroker, state: State) -> None:
    gate = TcpGate(int(broker.bootstrap_servers.rpartition(":")[2]))
    try:
        kafka = KafkaSettings(bootstrap_servers=f"127.0.0.1:{gate.port}")
        with gate.being(state):
            [finding] = told(tmp_path, kafka).values()
    finally:
        gate.close()
    assert (finding.part, finding.state) == ("broker", "wrong")
    assert "kafka.bootstrap_servers" in finding.told or f"127.0.0.1:{gate.port}" in finding.told
