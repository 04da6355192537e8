"""What Apache Kafka refuses, by logins, rights and limits, and the least rights that are enough."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)
from pydantic import SecretStr
from typer.testing import CliRunner

from adloom.feature_store.store import FeatureStore
from adloom.loop.commands.app import app
from adloom.stream.burial import waiting_letters
from adloom.stream.cluster.refusals import KafkaRefused
from adloom.stream.consumer import EventConsumer
from adloom.stream.needs import to_replay_events
from adloom.stream.producer import EventProducer
from adloom.stream.reading import read_to_end
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import create_topics, dead_letter_topic, event_topics, topic_of
from tests.conftest import own_topics
from tests.kafka_cluster import PASSWORD, USER, ApacheKafka
from tests.sample_events import click, impression
from tests.stream.test_consumer import consume, produce, wait_until
from tests.world.cluster_faults import admin_of

_SESSION_SECONDS = 6

Right = tuple[ResourceType, str, ACLOperation]


class Rights:
    """Of the one user; others may do anything. The names of topics and group keep tests apart."""

    def __init__(self, unguarded: KafkaSettings) -> None:
        self._kafka = unguarded

    def grant(self, *rights: Right) -> None:
        """They hold on return."""
        with admin_of(self._kafka) as admin:
            for kind, name, operation in rights:
                admin.create_acls([_acl(ACL, operation, ResourcePattern(kind, name))])
                pattern = ResourcePatternFilter(kind, name, ACLResourcePatternType.LITERAL)
                known = _acl(ACLFilter, operation, pattern)
                wait_until(lambda known=known: bool(admin.describe_acls(known)[0]))  # type: ignore[misc]

    def grant_all_but(self, *missing: Right) -> None:
        """What sending and consuming needs, without some of it."""
        self.grant(*[right for right in enough(self._kafka) if right not in missing])


def _acl(kind: Any, operation: ACLOperation, pattern: Any) -> Any:
    return kind(
        principal=f"User:{USER}",
        host="*",
        operation=operation,
        permission_type=ACLPermissionType.ALLOW,
        **{"resource_pattern": pattern},
    )


def enough(kafka: KafkaSettings) -> list[Right]:
    """The least rights of who sends events, consumes them and looks at dead letters."""
    topics = [*event_topics(kafka), dead_letter_topic(kafka)]
    return [
        (ResourceType.GROUP, kafka.group_id, ACLOperation.READ),
        *((ResourceType.TOPIC, topic, ACLOperation.READ) for topic in topics),
        *((ResourceType.TOPIC, topic, ACLOperation.WRITE) for topic in topics),
    ]


@pytest.fixture
def unguarded(apache: ApacheKafka) -> Iterator[KafkaSettings]:
    """Without a login, which may do anything."""
    with own_topics(apache.bootstrap_servers, _SESSION_SECONDS) as kafka:
        yield kafka


@pytest.fixture
def rights(unguarded: KafkaSettings) -> Rights:
    return Rights(unguarded)


@pytest.fixture
def guarded(unguarded: KafkaSettings, apache: ApacheKafka) -> KafkaSettings:
    """The same topics and group, by a login without rights."""
    return with_login(unguarded, apache)


def with_login(
    kafka: KafkaSettings,
    cluster: ApacheKafka,
    mechanism: str = "SCRAM-SHA-512",
    password: str = PASSWORD,
) -> KafkaSettings:
    given = {
        "bootstrap_servers": cluster.login_servers,
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": mechanism,
        "sasl_username": USER,
        "sasl_password": SecretStr(password),
    }
    return kafka.model_copy(update=given)


def run_once(kafka: KafkaSettings, store: FeatureStore) -> None:
    """Consumes until the cluster says no; it should at once."""
    stop = threading.Event()
    giving_up = threading.Timer(30, stop.set)
    giving_up.start()
    try:
        with EventConsumer(kafka, store) as consumer:
            consumer.run(stop)
    finally:
        giving_up.cancel()


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_a_login_with_the_least_rights_sends_consumes_and_looks(
    mechanism: str,
    unguarded: KafkaSettings,
    apache: ApacheKafka,
    rights: Rights,
    store: FeatureStore,
) -> None:
    kafka = with_login(unguarded, apache, mechanism)
    rights.grant(*enough(kafka))
    create_topics(kafka, to_replay_events(kafka))  # nothing is missing, nor may it be created
    produce(kafka, click("a"), click("b"), impression("c"))
    with EventProducer(kafka) as producer:
        producer.send_payload(topic_of(kafka, "click"), b"ann", b"poison")
    with EventConsumer(kafka, store) as consumer:
        consume(consumer, 4)
    assert store.user_stats(["ann"])["ann"].clicks == 2
    assert len(waiting_letters(kafka)) == 1
    read = read_to_end(kafka, list(event_topics(kafka)))
    assert sum(len(part) for records in read for part in records.values()) == 4


_USES: dict[str, Callable[[KafkaSettings, FeatureStore], Any]] = {
    "topics": lambda kafka, _: create_topics(kafka, to_replay_events(kafka)),
    "producer": lambda kafka, _: produce(kafka, click("a")),
    "consumer": run_once,
    "reader": lambda kafka, _: list(read_to_end(kafka, list(event_topics(kafka)))),
}


@pytest.mark.parametrize("use", _USES)
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_a_wrong_password_is_told_and_not_repeated(
    mechanism: str,
    use: str,
    unguarded: KafkaSettings,
    apache: ApacheKafka,
    store: FeatureStore,
) -> None:
    kafka = with_login(unguarded, apache, mechanism, password="a-wrong-one")
    with pytest.raises(KafkaRefused, match=r"kafka\.sasl_password") as refused:
        _USES[use](kafka, store)
    assert "a-wrong-one" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("use", _USES)
def test_a_mechanism_that_the_cluster_has_not_is_told(
    use: str, unguarded: KafkaSettings, apache: ApacheKafka, store: FeatureStore
) -> None:
    kafka = with_login(unguarded, apache, "SCRAM-SHA-256")
    with pytest.raises(KafkaRefused, match=r"kafka\.sasl_mechanism"):
        _USES[use](kafka, store)


@pytest.mark.parametrize("use", ["topics", "consumer"])
def test_a_login_where_none_is_taken_is_told(
    use: str, unguarded: KafkaSettings, apache: ApacheKafka, store: FeatureStore
) -> None:
    kafka = with_login(unguarded, apache).model_copy(
        update={"bootstrap_servers": apache.bootstrap_servers}
    )
    with pytest.raises(KafkaRefused, match=r"kafka\.security_protocol"):
        _USES[use](kafka, store)


@pytest.mark.parametrize(
    ("kind", "key", "operation"),
    [
        (ResourceType.GROUP, "", ACLOperation.READ),
        (ResourceType.TOPIC, "clicks", ACLOperation.READ),
        (ResourceType.TOPIC, "deadletter", ACLOperation.WRITE),
    ],
    ids=["Read on the group", "Read on a topic of events", "Write on the dead letters"],
)
def test_a_right_that_a_consumer_lacks_is_named(
    kind: ResourceType,
    key: str,
    operation: ACLOperation,
    guarded: KafkaSettings,
    rights: Rights,
    store: FeatureStore,
) -> None:
    name = guarded.topic(key) if key else guarded.group_id
    rights.grant_all_but((kind, name, operation))
    with pytest.raises(KafkaRefused) as refused:
        run_once(guarded, store)
    said = str(refused.value)
    for word in (name, operation.name.title(), USER):
        assert word in said
    assert "\n" not in said


def test_a_right_that_a_producer_lacks_is_named(guarded: KafkaSettings, rights: Rights) -> None:
    topic = topic_of(guarded, "click")
    rights.grant_all_but((ResourceType.TOPIC, topic, ACLOperation.WRITE))
    with pytest.raises(Exception, match=f"Write on topic {topic}"):
        produce(guarded, click("a"))


def test_without_the_right_to_create_the_missing_topic_is_named(
    guarded: KafkaSettings, rights: Rights
) -> None:
    elsewhere = guarded.model_copy(update={"topic_prefix": f"{guarded.topic_prefix}-missing"})
    rights.grant(*enough(elsewhere))
    with pytest.raises(KafkaRefused, match=rf"Create on .*{elsewhere.topic_prefix}"):
        create_topics(elsewhere, to_replay_events(elsewhere))


@pytest.mark.parametrize("seconds", [2.0, 3_600.0])
def test_a_session_that_the_cluster_does_not_take_is_told(
    seconds: float, unguarded: KafkaSettings, store: FeatureStore
) -> None:
    with pytest.raises(KafkaRefused, match=r"kafka\.session_seconds"):
        run_once(unguarded.model_copy(update={"session_seconds": seconds}), store)


@pytest.mark.parametrize("command", ["consume", "deadletter list"])
def test_a_command_ends_with_one_line(
    command: str,
    unguarded: KafkaSettings,
    apache: ApacheKafka,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    monkeypatch.setenv("ADLOOM_HOME", str(tmp_path))
    settings = with_login(unguarded, apache, password="a-wrong-one")
    for name in ("bootstrap_servers", "security_protocol", "sasl_mechanism", "sasl_username"):
        monkeypatch.setenv(f"ADLOOM_KAFKA__{name.upper()}", str(getattr(settings, name)))
    monkeypatch.setenv("ADLOOM_KAFKA__SASL_PASSWORD", "a-wrong-one")
    monkeypatch.setenv("COLUMNS", "300")
    ended = CliRunner().invoke(app, command.split())
    assert ended.exit_code != 0
    assert "kafka.sasl_password" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert "a-wrong-one" not in ended.output
