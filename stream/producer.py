"""Events into Kafka: acknowledged by all replicas, in order for each user."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from kafka import KafkaProducer

from adloom.stream.events import Event, encode, kind_of
from adloom.stream.headers import MARKS
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import topic_of

# Brokers pay by the batch: a few events each is what costs. A flush does not wait for it.
_LINGER_MILLISECONDS = 20
_PATIENCE_SECONDS = 120.0
_REQUEST_MILLISECONDS = 30_000


class DeliveryFailed(RuntimeError):
    """Kafka did not take an event."""


class EventProducer:
    """Sends events in the background; `flush` waits for the acknowledgements.

    Safe to use from several threads.
    """

    def __init__(
        self, settings: KafkaSettings, *, patience_seconds: float = _PATIENCE_SECONDS
    ) -> None:
        """An event that Kafka does not take within the patience has failed."""
        self._settings = settings
        patience = int(patience_seconds * 1000)
        self._producer = KafkaProducer(
            **settings.client_options(),
            acks="all",
            enable_idempotence=True,
            linger_ms=_LINGER_MILLISECONDS,
            max_block_ms=patience,
            delivery_timeout_ms=patience,
            request_timeout_ms=min(patience // 2, _REQUEST_MILLISECONDS),
        )
        self._failure: Exception | None = None
        self._produced = 0

    @property
    def produced(self) -> int:
        """Payloads that Kafka has acknowledged."""
        return self._produced

    def send(self, event: Event) -> None:
        """Queues an event for the topic of its type, keyed by its user.

        It is marked as one in adloom's own form, so that no map of own events is read into it.
        """
        kind = kind_of(event)
        topic = topic_of(self._settings, kind)
        self.send_payload(topic, event.user_id.encode(), encode(event), MARKS[kind])

    def send_payload(
        self,
        topic: str,
        key: bytes | None,
        payload: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Queues any bytes, or none, as they are: what a foreign producer may send."""
        sent = self._producer.send(topic, key=key, value=payload, headers=list(headers))
        sent.add_callback(self._acknowledged)
        sent.add_errback(self._failed)

    def flush(self) -> None:
        """Waits until everything sent is acknowledged. Raises DeliveryFailed, once a failure."""
        self._producer.flush()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise DeliveryFailed(f"Kafka did not take an event: {failure}") from failure

    def close(self) -> None:
        """Waits for what is still on its way, then lets the connection go."""
        try:
            self.flush()
        finally:
            self._producer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Both run on the client's one network thread, so counting needs no lock.
    def _acknowledged(self, _metadata: Any) -> None:
        self._produced += 1

    def _failed(self, error: Exception) -> None:
        self._failure = self._failure or error
