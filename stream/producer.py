"""Events into Kafka: acknowledged by all replicas, in order for each user."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple, Self

from kafka import KafkaProducer
from kafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownError,
)
from kafka.future import Future

from adloom.stream.cluster.reaching import answered, reach
from adloom.stream.cluster.refusals import KafkaRefused, missing_rights, refusal_of
from adloom.stream.events import Event, encode, kind_of
from adloom.stream.headers import MARKS
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import topic_of
from adloom.stream.tracing import carried_on, span

# Brokers pay by the batch: a few events each is what costs. A flush does not wait for it.
_LINGER_MILLISECONDS = 20
_PATIENCE_SECONDS = 120.0
_MARGIN_SECONDS = 5.0
_REACH_SECONDS = 15.0
_REQUEST_MILLISECONDS = 30_000


_log = logging.getLogger(__name__)


class DeliveryFailed(RuntimeError):
    """Kafka did not take an event."""


class _Queued(NamedTuple):
    topic: str
    future: Future
    at: float


class EventProducer:
    """Sends events in the background; `flush` waits for the acknowledgements.

    Safe to use from several threads.
    """

    def __init__(
        self, settings: KafkaSettings, *, patience_seconds: float = _PATIENCE_SECONDS
    ) -> None:
        """An event that Kafka does not take within the patience has failed.

        Raises BrokerUnavailable, KafkaRefused.
        """
        self._settings = settings
        self._patience_seconds = patience_seconds
        reach(settings, min(patience_seconds, _REACH_SECONDS))
        self._client = self._connected()
        self._probe: _Queued | None = None  # one of those on their way
        self._failure: tuple[str, Exception] | None = None
        self._produced = 0
        self._failed = 0

    def _connected(self) -> KafkaProducer:
        patience = int(self._patience_seconds * 1000)

        def connected() -> KafkaProducer:
            return KafkaProducer(
                **self._settings.client_options(),
                acks="all",
                enable_idempotence=True,
                linger_ms=_LINGER_MILLISECONDS,
                max_block_ms=patience,
                delivery_timeout_ms=patience,
                request_timeout_ms=min(patience // 2, _REQUEST_MILLISECONDS),
                bootstrap_timeout_ms=int(_REACH_SECONDS * 1000),
            )

        return answered(connected, self._settings, self._patience_seconds)

    @property
    def produced(self) -> int:
        """Payloads that Kafka has acknowledged."""
        return self._produced

    @property
    def failed(self) -> int:
        """Payloads that Kafka did not take in time."""
        return self._failed

    def send(self, event: Event) -> None:
        """Queues an event for the topic of its type, keyed by its user.

        It is marked as one in adloom's own form, so that no map of own events is read into it.
        Raises DeliveryFailed, KafkaRefused where that is known at once.
        """
        with span("send event", "producer", {"messaging.system": "kafka"}):
            self._background(self._queue_event(event, self._client))

    def deliver(self, events: Iterable[Event]) -> None:
        """Sends events and waits until every one of them is acknowledged.

        Raises DeliveryFailed or KafkaRefused when one is not, or not within the patience, queueing
        included; others may have been taken, and this one may be yet.
        """
        deadline, client = time.monotonic() + self._patience_seconds, self._client
        with span("send events", "producer", {"messaging.system": "kafka"}):
            queued = [self._queue_event(event, client) for event in events]
            self._flush(client, max(0.0, deadline - time.monotonic()))
        for sent in queued:
            if not sent.future.succeeded():
                raise self._problem(sent.topic, sent.future.exception)

    def send_payload(
        self,
        topic: str,
        key: bytes | None,
        payload: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Queues any bytes, or none, as they are: what a foreign producer may send.

        Raises as `send` does.
        """
        self._background(self._queue(self._client, topic, key, payload, headers))

    def flush(self) -> None:
        """Waits until everything sent is acknowledged.

        Raises DeliveryFailed or KafkaRefused, once a failure.
        """
        self._flush(self._client)
        failure, self._failure = self._failure, None
        if failure is not None:
            raise self._problem(*failure)

    @property
    def is_stuck(self) -> bool:
        """Whether an event waits for its end longer than it may; one of many is looked at."""
        probe = self._probe
        if probe is None or probe.future.is_done:
            return False
        return time.monotonic() - probe.at > 2 * self._patience_seconds

    def renew(self) -> None:
        """Sends by a new connection from now on; what is on its way keeps its patience.

        A client whose broker was away can stay without an end for ever, and its partition with it:
        this is for who knows that the broker answers. Raises BrokerUnavailable, KafkaRefused; then
        all stays as it was.
        """
        stuck, self._client, self._probe = self._client, self._connected(), None

        def end() -> None:
            with suppress(DeliveryFailed):
                self._flush(stuck, self._patience_seconds)
            _let_go(stuck)

        threading.Thread(target=end, name="stuck producer", daemon=True).start()

    def close(self) -> None:
        """Waits for what is still on its way, then lets the connection go."""
        try:
            self.flush()
        finally:
            _let_go(self._client)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _flush(self, client: KafkaProducer, seconds: float | None = None) -> None:
        """Raises DeliveryFailed after so many seconds; by then each event has had its patience."""
        seconds = self._patience_seconds + _MARGIN_SECONDS if seconds is None else seconds
        deadline = time.monotonic() + self._patience_seconds
        while True:
            try:
                client.flush(timeout=seconds)
            except KafkaTimeoutError as error:
                # After a broker was away the client may leave a batch without an end.
                told = f"Kafka did not take all events within {self._patience_seconds:g} seconds"
                raise DeliveryFailed(told) from error
            except UnknownError as error:
                # A batch was too large and is halved: the client waited for the whole in vain.
                if time.monotonic() > deadline:
                    raise DeliveryFailed(f"Kafka did not take all events: {error}") from error
            else:
                return

    def _queue_event(self, event: Event, client: KafkaProducer) -> _Queued:
        kind = kind_of(event)
        topic = topic_of(self._settings, kind)
        headers = MARKS[kind] + carried_on()
        return self._queue(client, topic, event.user_id.encode(), encode(event), headers)

    def _queue(
        self,
        client: KafkaProducer,
        topic: str,
        key: bytes | None,
        payload: bytes | None,
        headers: Sequence[tuple[str, bytes]],
    ) -> _Queued:
        try:
            future = client.send(topic, key=key, value=payload, headers=list(headers))
        except KafkaError as error:
            raise self._problem(topic, error) from error
        future.add_callback(self._acknowledged)
        queued = _Queued(topic, future, time.monotonic())
        if self._probe is None or self._probe.future.is_done:
            self._probe = queued
        return queued

    def _background(self, queued: _Queued) -> None:
        queued.future.add_errback(self._note_failure, queued.topic)

    # Both run on the client's one network thread, so counting needs no lock.
    def _acknowledged(self, _metadata: Any) -> None:
        self._produced += 1

    def _note_failure(self, topic: str, error: Exception) -> None:
        self._failed += 1
        self._failure = self._failure or (topic, error)

    def _problem(self, topic: str, error: Exception) -> DeliveryFailed | KafkaRefused:
        kafka = self._settings
        found: DeliveryFailed | KafkaRefused | None
        if isinstance(error, TopicAuthorizationFailedError):
            found = missing_rights(kafka, [("Write", f"topic {topic}")])
        elif isinstance(error, ClusterAuthorizationFailedError):
            found = missing_rights(kafka, [("IdempotentWrite", "the cluster")])
        elif isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
            found = KafkaRefused(
                f"{kafka.bootstrap_servers}: topic {topic} does not take a message as large as "
                "one of these: raise its max.message.bytes"
            )
        else:
            found = refusal_of(error, kafka)
        found = found or DeliveryFailed(f"Kafka did not take an event: {error}")
        found.__cause__ = error
        return found


def _let_go(client: KafkaProducer) -> None:
    """Closes a client that has nothing more to send, or that does not get on."""
    try:
        client.close(timeout=0)
    except KafkaTimeoutError:  # before it has ended anything
        _log.warning("events without an end are given up: the broker did not take them in time")
        client._sender.force_close()
