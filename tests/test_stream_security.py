"""TLS and SASL settings reach every client; the broker stands behind a TLS proxy."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from feature_store.store import FeatureStore
from stream.broker import LocalBroker
from stream.burial import waiting_letters
from stream.consumer import EventConsumer
from stream.producer import EventProducer
from stream.settings import KafkaSettings
from stream.topics import BrokerUnavailable, create_topics, topic_of
from tests.sample_events import click
from tests.test_stream_consumer import consume, produce
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
    "changes",
    [
        {"security_protocol": "PLAINTEXT"},
        {"ssl_cafile": None},
        {"ssl_certfile": None, "ssl_keyfile": None},
    ],
    ids=["without TLS", "an authority that is not trusted", "without a client certificate"],
)
def test_who_does_not_fit_the_brokers_tls_gets_no_connection(
    changes: dict[str, Any], secured: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.topics._BOOTSTRAP_SECONDS", 1.5)
    with pytest.raises(BrokerUnavailable, match="no Kafka broker answers at "):
        create_topics(secured.model_copy(update=changes))
