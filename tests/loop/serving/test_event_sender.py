"""What the ad server says of the way its events go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from kafka import KafkaAdminClient
from kafka.errors import GroupAuthorizationFailedError
from prometheus_client import Counter

from adloom.feature_store.store import FeatureStore
from adloom.loop.serving import event_sender
from adloom.loop.serving.event_sender import EventSender
from adloom.loop.serving.metrics import EXPOSURES_LOST
from adloom.stream.cluster.refusals import KafkaRefused
from adloom.stream.consumer import EventConsumer
from adloom.stream.needs import to_send_events
from adloom.stream.producer import DeliveryFailed
from adloom.stream.settings import KafkaSettings
from tests.sample_events import click, exposure

_SECONDS = 30.0


@contextmanager
def sending(kafka: KafkaSettings, patience_seconds: float = 5.0) -> Iterator[EventSender]:
    sender = EventSender(kafka, to_send_events(kafka), patience_seconds, read_by_others=True)
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


def test_events_go_on_by_another_connection_where_a_client_does_not_get_on(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sending(kafka, patience_seconds=0.5) as sender:
        wait_until(lambda: sender.problem is None)
        sender.deliver([click("a")])
        assert sender._producer is not None
        stuck = sender._producer._client
        monkeypatch.setattr(stuck._sender, "run_once", lambda: time.sleep(0.01))
        with pytest.raises(DeliveryFailed):
            sender.deliver([click("b")])
        assert sender.problem is not None
        wait_until(lambda: sender._producer is not None and sender._producer._client is not stuck)
        sender.deliver([click("b")])
        wait_until(lambda: sender.problem is None)


def test_exposures_that_nobody_waits_for_are_not_stuck_for_ever(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sending(kafka, patience_seconds=0.5) as sender:
        wait_until(lambda: sender.problem is None)
        assert sender._producer is not None
        stuck = sender._producer._client
        monkeypatch.setattr(stuck._sender, "run_once", lambda: time.sleep(0.01))
        sender.send(exposure("lost"))
        wait_until(lambda: sender._producer is not None and sender._producer._client is not stuck)
        lost = counted(EXPOSURES_LOST)
        wait_until(lambda: counted(EXPOSURES_LOST) > lost)


def counted(metric: Counter) -> float:
    [family] = metric.collect()
    return next(one.value for one in family.samples if one.name.endswith("_total"))
