"""Nobody waits for a producer longer than its patience, and one that is stuck is replaced."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError

from adloom.stream import producer as module
from adloom.stream.events import Click
from adloom.stream.producer import DeliveryFailed, EventProducer
from adloom.stream.settings import KafkaSettings

PATIENCE_SECONDS = 60.0
SHORT_SECONDS = 2.0  # enough for a broker that is there, also beside other tests
click = Click(event_id="1", ts=datetime.now(UTC), user_id="ann", item_id="mug", ad_id="ad")


def test_the_time_that_queueing_took_is_not_waited_again(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    clock = SimpleNamespace(now=1_000.0)
    with EventProducer(kafka, patience_seconds=PATIENCE_SECONDS) as producer:
        producer.deliver([click])  # to a broker that is there
        client = producer._client
        queue = client.send

        def slowly(*given: Any, **named: Any) -> Any:
            clock.now += 50.0  # as while nobody tells where the partitions lie
            return queue(*given, **named)

        def in_vain(timeout: float | None = None) -> None:
            waited.append(timeout or 0.0)
            raise KafkaTimeoutError("nothing came")

        flush = client.flush
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
        monkeypatch.setattr(client, "send", slowly)
        monkeypatch.setattr(client, "flush", in_vain)
        with pytest.raises(DeliveryFailed, match="within 60 seconds"):
            producer.deliver([click])
        monkeypatch.setattr(client, "flush", flush)
    assert waited == [pytest.approx(10.0)]


def test_a_client_that_does_not_get_on_is_replaced(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EventProducer(kafka, patience_seconds=SHORT_SECONDS) as producer:
        producer.deliver([click])
        stuck = stuck_client(producer, monkeypatch)
        producer.send(click)
        with pytest.raises(DeliveryFailed, match="within 2 seconds"):
            producer.deliver([click])
        until(lambda: producer.is_stuck)
        producer.renew()
        assert not producer.is_stuck
        producer.deliver([click])
        until(lambda: not stuck._sender.is_alive())
        assert producer.failed == 1  # what was given up is counted, and told once
        with pytest.raises(DeliveryFailed):
            producer.flush()


def test_what_is_stuck_can_be_closed(kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MARGIN_SECONDS", 0.1)
    producer = EventProducer(kafka, patience_seconds=SHORT_SECONDS)
    producer.deliver([click])  # so that the client knows where the partitions lie
    stuck = stuck_client(producer, monkeypatch)
    producer.send(click)
    with pytest.raises(DeliveryFailed):
        producer.close()
    until(lambda: not stuck._sender.is_alive())


def stuck_client(producer: EventProducer, monkeypatch: pytest.MonkeyPatch) -> KafkaProducer:
    """Its thread runs, and no event comes to an end, as at times after a broker was away."""
    client = producer._client
    monkeypatch.setattr(client._sender, "run_once", lambda: time.sleep(0.01))
    return client


def until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.02)
