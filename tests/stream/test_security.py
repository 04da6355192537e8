"""TLS and SASL settings reach every client; the broker stands behind a TLS proxy."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from kafka.errors import KafkaError
from pydantic import SecretStr

from adloom.feature_store.store import FeatureStore
from adloom.stream.broker import LocalBroker
from adloom.stream.burial import waiting_letters
from adloom.stream.cluster.refusals import BrokerUnavailable, KafkaRefused
from adloom.stream.consumer import EventConsumer
from adloom.stream.producer import EventProducer
from adloom.stream.reading import read_to_end
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import create_topics, topic_of
from tests.sample_events import click
from tests.stream.test_consumer import consume, produce
from tests.tls_proxy import Certificates, make_certificates, tls_in_front_of


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return make_certificates(tmp_path / "certificates")


@pytest.fixture
def secured(certificates: Certificates) -> Iterator[KafkaSettings]:
    """A broker that is reached through TLS with a client certificate."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    with (
        LocalBroker(advertised=address) as broker,
        tls_in_front_of(listener, broker._port, certificates),
    ):
        yield KafkaSettings(
            bootstrap_servers=address,
            security_protocol="SSL",
            ssl_cafile=certificates.authority,
            ssl_certfile=certificates.client,
            ssl_keyfile=certificates.client_key,
            partitions=1,
            session_seconds=2,
        )


def test_events_go_through_tls(secured: KafkaSettings, store: FeatureStore) -> None:
    create_topics(secured)
    produce(secured, click("c1"), click("c2", 1))
    with EventProducer(secured) as producer:
        producer.send_payload(topic_of(secured, "click"), None, b"{")
    with EventConsumer(secured, store) as consumer:
        consume(consumer, 3)
    assert len(store.history("ann")) == 2
    assert len(waiting_letters(secured)) == 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"security_protocol": "PLAINTEXT"}, "speaks TLS: kafka.security_protocol is PLAINTEXT"),
        ({"ssl_cafile": None}, "not trusted .* see kafka.ssl_cafile"),
        ({"ssl_certfile": None, "ssl_keyfile": None}, "kafka.ssl_certfile"),
        ({"ssl_cafile": Path("nowhere.pem")}, "kafka.ssl_cafile: nowhere.pem: No such file"),
    ],
    ids=[
        "without TLS",
        "an authority that is not trusted",
        "without a client certificate",
        "without a file",
    ],
)
def test_who_does_not_fit_the_brokers_tls_is_told_so(
    changes: dict[str, Any],
    told: str,
    secured: KafkaSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("adloom.stream.cluster.reaching._UNSURE_SECONDS", 0.0)
    with pytest.raises((KafkaRefused, BrokerUnavailable), match=told):
        create_topics(secured.model_copy(update=changes))


def test_tls_where_plain_is_spoken_is_told(broker: LocalBroker) -> None:
    kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, security_protocol="SSL")
    with pytest.raises(KafkaRefused, match=r"speaks without TLS: .* is SSL, try PLAINTEXT"):
        create_topics(kafka)


_CLIENTS: dict[str, Callable[[KafkaSettings], Any]] = {
    "adloom.stream.producer.KafkaProducer": EventProducer,
    "adloom.stream.topics.KafkaAdminClient": create_topics,
    "adloom.stream.reading.KafkaConsumer": lambda kafka: list(read_to_end(kafka, ["any"])),
}


@pytest.mark.parametrize("client", _CLIENTS)
def test_sasl_settings_reach_every_client(client: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The local broker knows no SASL: this is as far as it can be followed."""
    given: dict[str, Any] = {}
    real = getattr(import_module(client.rpartition(".")[0]), client.rpartition(".")[2])

    def refuse(**options: Any) -> None:
        assert options.keys() <= real.DEFAULT_CONFIG.keys()
        given.update(options)
        raise KafkaError("as if the password were wrong")

    monkeypatch.setattr(client, refuse)
    monkeypatch.setattr(
        "adloom.stream.cluster.reaching.greet", lambda *_: None
    )  # as if it went well
    monkeypatch.setattr("adloom.stream.reading.check_topics", lambda *_: None)
    kafka = KafkaSettings(
        bootstrap_servers="kafka-1:9093",
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="adloom",
        sasl_password=SecretStr("secret"),
    )
    with pytest.raises((KafkaError, BrokerUnavailable), match="password were wrong"):
        _CLIENTS[client](kafka)
    assert given["security_protocol"] == "SASL_SSL"
    assert given["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (given["sasl_plain_username"], given["sasl_plain_password"]) == ("adloom", "secret")
