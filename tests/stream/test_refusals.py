"""What a cluster refuses is told in one line with its cause and the setting, and is no outage."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka.errors import (
    GroupAuthorizationFailedError,
    InvalidSessionTimeoutError,
    KafkaConnectionError,
    NotCoordinatorError,
    TopicAuthorizationFailedError,
    UnsupportedVersionError,
)
from pydantic import ValidationError

from adloom.stream.cluster.reaching import reach
from adloom.stream.cluster.refusals import BrokerUnavailable, KafkaRefused, refusal_of
from adloom.stream.producer import EventProducer
from adloom.stream.reading import read_to_end
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import create_topics, topic_ids, topic_of
from tests.kafka_cluster import PASSWORD, USER, ApacheKafka
from tests.sample_events import click
from tests.stream.test_consumer import produce
from tests.world.cluster_faults import admin_of

_HUSH = "hush-hush-hush"


@contextmanager
def somebody_else(answer: bytes | None) -> Iterator[str]:
    """A server that is no broker: it answers so and hangs up, or says nothing at all."""
    listener = socket.create_server(("127.0.0.1", 0))
    open_connections = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            open_connections.append(connection)
            if answer is not None:
                connection.recv(1)
                connection.sendall(answer)
                connection.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in open_connections:
            connection.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adloom.stream.cluster.reaching._UNSURE_SECONDS", 0.0)
    monkeypatch.setattr("adloom.stream.cluster.greeting._STEP_SECONDS", 1.0)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is no Kafka broker .it answers b'HTTP"),
        (b"-ERR unknown command\r\n", "is no Kafka broker .it answers b'-ERR"),
        (b"", "is no Kafka broker .it hangs up.*kafka.security_protocol"),
        (None, "is no Kafka broker .it says nothing"),
    ],
    ids=["a web server", "Redis", "one that hangs up", "one that is silent"],
)
@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL"])
def test_a_port_that_is_no_kafka_is_told(
    answer: bytes | None, told: str, protocol: Any, impatient: None
) -> None:
    with somebody_else(answer) as servers:
        kafka = KafkaSettings(bootstrap_servers=servers, security_protocol=protocol)
        if protocol == "SSL":
            told = "does not speak TLS, and is no Kafka broker without it"
        with pytest.raises((KafkaRefused, BrokerUnavailable), match=told):
            reach(kafka, 30.0)


def test_one_server_that_answers_is_enough(broker: Any) -> None:
    with somebody_else(b"HTTP/1.1 400 Bad Request\r\n\r\n") as other:
        reach(KafkaSettings(bootstrap_servers=f"{other},{broker.bootstrap_servers}"), 5.0)


def test_nobody_who_listens_is_an_outage_with_its_cause() -> None:
    kafka = KafkaSettings(bootstrap_servers="127.0.0.1:1,nowhere.invalid:9092")
    with pytest.raises(BrokerUnavailable) as raised:
        reach(kafka, 0.0)
    assert "127.0.0.1:1: Connection refused" in str(raised.value)
    assert "nowhere.invalid:9092: " in str(raised.value)


def as_user(apache: ApacheKafka, **changes: Any) -> KafkaSettings:
    login = {
        "bootstrap_servers": apache.login_servers,
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_username": USER,
        "sasl_password": PASSWORD,
    }
    return KafkaSettings.model_validate(login | changes)


_REFUSED: dict[str, tuple[Callable[[ApacheKafka], KafkaSettings], str]] = {
    "a user that nobody knows": (
        lambda apache: as_user(apache, sasl_username="bob", sasl_password=_HUSH),
        "the login of user 'bob' by PLAIN is refused",
    ),
    "a mechanism that there is not": (
        lambda apache: as_user(apache, sasl_mechanism="MAGIC"),
        "kafka.sasl_mechanism is MAGIC, and logins are taken by PLAIN, SCRAM-SHA-512",
    ),
    "TLS where plain is spoken": (
        lambda apache: as_user(apache, security_protocol="SASL_SSL"),
        "speaks without TLS: kafka.security_protocol is SASL_SSL, try SASL_PLAINTEXT",
    ),
    "no login where one is wanted": (
        lambda apache: KafkaSettings(bootstrap_servers=apache.login_servers),
        "wants a login: kafka.security_protocol is PLAINTEXT, try SASL_PLAINTEXT",
    ),
}


@pytest.mark.parametrize("wrong", _REFUSED)
def test_what_does_not_fit_the_cluster_is_told_by_every_client(
    wrong: str, apache: ApacheKafka
) -> None:
    settings, told = _REFUSED[wrong]
    kafka = settings(apache)
    for client in (create_topics, EventProducer, lambda k: list(read_to_end(k, ["any"]))):
        with pytest.raises(KafkaRefused) as raised:
            client(kafka)
        assert told in str(raised.value)
        assert "\n" not in str(raised.value)
        assert _HUSH not in str(raised.value)


def test_a_controller_is_no_broker(apache: ApacheKafka) -> None:
    host, _, port = apache.bootstrap_servers.partition(":")
    kafka = KafkaSettings(bootstrap_servers=f"{host}:{int(port) + 1}")
    with pytest.raises(KafkaRefused, match="is a controller of the cluster and no broker"):
        topic_ids(kafka)


def test_a_message_that_is_too_large_for_its_topic_is_told(apache_kafka: KafkaSettings) -> None:
    kafka = apache_kafka.model_copy(update={"topic_prefix": f"{apache_kafka.topic_prefix}-small"})
    topic = topic_of(kafka, "click")
    with admin_of(kafka) as admin:
        few = {"num_partitions": 1, "configs": {"max.message.bytes": "500"}}
        admin.create_topics({topic: few}, wait_for_metadata=True)
    short, long = click("short"), click("long", context={"said": "x" * 1_000})
    told = rf"topic {topic} .*raise its max\.message\.bytes"
    with EventProducer(kafka) as producer:
        producer.deliver([short])
        with pytest.raises(KafkaRefused, match=told):
            producer.deliver([long])
    with pytest.raises(KafkaRefused, match=told):
        produce(kafka, short, long, short)  # one batch, which the client halves


KAFKA = KafkaSettings(bootstrap_servers="k:1", group_id="mine", session_seconds=2)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (InvalidSessionTimeoutError(), "kafka.session_seconds = 2 is out of the cluster's limits"),
        (GroupAuthorizationFailedError("mine"), "no right Read on group mine"),
        (TopicAuthorizationFailedError({"a", "b"}), "no right Read on topic a, b"),
        (UnsupportedVersionError("too new"), "one too old for adloom: too new"),
    ],
)
def test_errors_that_no_waiting_mends_are_told_apart(error: Exception, told: str) -> None:
    for found in (error, _caused_by(error)):
        refusal = refusal_of(found, KAFKA)
        assert refusal is not None
        assert told in str(refusal)


@pytest.mark.parametrize("error", [NotCoordinatorError(), KafkaConnectionError(), OSError()])
def test_what_time_mends_is_no_refusal(error: Exception) -> None:
    assert refusal_of(error, KAFKA) is None


def _caused_by(cause: Exception) -> Exception:
    error = RuntimeError("something went wrong")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"bootstrap_servers": "kafka:port"}, "'kafka:port' is not host:port"),
        ({"bootstrap_servers": "kafka:9092,"}, "'' is not host:port"),
        ({"security_protocol": "SASL_SSL"}, "sasl_mechanism: is not set"),
        (
            {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "sasl_username": "me"},
            "sasl_username, sasl_password: set both for logins by PLAIN",
        ),
        (
            {
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": "SCRAM-SHA-512",
                "sasl_password": _HUSH,
            },
            "sasl_username, sasl_password: set both",
        ),
    ],
)
def test_settings_that_fit_no_cluster_are_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as raised:
        KafkaSettings(**wrong)
    assert told in str(raised.value)
    assert _HUSH not in str(raised.value)


def test_a_key_with_a_passphrase_asks_nobody(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n"
    )
    kafka = KafkaSettings(
        bootstrap_servers="k:1", security_protocol="SSL", ssl_certfile=key, ssl_keyfile=key
    )
    with pytest.raises(KafkaRefused, match=r"kafka\.ssl_certfile"):
        reach(kafka, 0.0)
