"""What the ad server says of the way its events go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from kafka import KafkaAdminClient
from kafka.errors import GroupAuthorizationFailedError

from adloom.feature_store.store import FeatureStore
from adloom.loop.serving import event_sender
from adloom.loop.serving.event_sender import EventSender
from adloom.stream.cluster.refusals import KafkaRefused
from adloom.stream.consumer import EventConsumer
from adloom.stream.needs import to_send_events
from adloom.stream.settings import KafkaSettings
from tests.sample_events import click

_SECONDS = 30.0


@contextmanager
def sending(kafka: KafkaSettings) -> Iterator[EventSender]:
    sender = EventSender(kafka, to_send_events(kafka), 5.0, read_by_others=True)
    stop = threading.Event()
    thread = threading.Thread(target=sender.run, args=(stop,))
    thread.start()
    try:
        yield sender
    finally:
        stop.set()
        thread.join()
        sender.close()


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_sender, "_LOOK_SECONDS", 0.1)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_that_nobody_consumes_is_noted_until_somebody_does(
    apache_kafka: KafkaSettings, store: FeatureStore, caplog: pytest.LogCaptureFixture
) -> None:
    kafka = apache_kafka
    with sending(kafka) as sender:
        wait_until(lambda: bool(sender.notes))
        assert sender.problem is None
        [note] = sender.notes
        assert note.startswith(f"no adloom consume runs (the group {kafka.group_id} has no members")
        time.sleep(0.5)  # some looks more
        with EventConsumer(kafka, store) as consumer:

            def read() -> bool:
                consumer.poll()
                return not sender.notes

            wait_until(read)
            assert caplog.text.count("no adloom consume runs") == 1


def test_nothing_is_said_where_the_login_may_not_know(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()

    def refused(*_: object) -> None:
        asked.set()
        raise GroupAuthorizationFailedError

    monkeypatch.setattr(KafkaAdminClient, "describe_groups", refused)
    with sending(kafka) as sender:
        assert asked.wait(_SECONDS)
        wait_until(lambda: sender.problem is None)
        assert sender.notes == ()


def test_a_refusal_is_told_as_one(kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise KafkaRefused("the login is refused: see kafka.sasl_password")

    monkeypatch.setattr(event_sender, "reach", refused)
    with sending(kafka) as sender:
        wait_until(lambda: sender.problem != "no broker was asked yet")
        with pytest.raises(KafkaRefused, match=r"kafka\.sasl_password"):
            sender.deliver([click("c")])
