"""What waits for the acknowledgement of events waits no longer than its patience in all."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError

from adloom.stream import producer as module
from adloom.stream.events import Click
from adloom.stream.producer import DeliveryFailed, EventProducer
from adloom.stream.settings import KafkaSettings

PATIENCE_SECONDS = 60.0


def test_the_time_that_queueing_took_is_not_waited_again(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    click = Click(event_id="1", ts=datetime.now(UTC), user_id="ann", item_id="mug", ad_id="ad")
    waited: list[float] = []
    clock = SimpleNamespace(now=1_000.0)
    with EventProducer(kafka, patience_seconds=PATIENCE_SECONDS) as producer:
        producer.deliver([click])  # to a broker that is there
        client = producer._producer
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
