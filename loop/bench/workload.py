"""Events that look like a site's: few users cause most of them, or all users the same share."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from typing import Any, Literal

import numpy as np

from adloom.stream.events import Click, Event, Exposure, Impression, encode, kind_of
from adloom.stream.producer import EventProducer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import topic_of

Users = Literal["zipf", "uniform"]

_KINDS = (Impression, Exposure, Click)
_SHARES = (0.8, 0.1, 0.1)
_ZIPF_EXPONENT = 1.1
_ITEMS = 2_000
_TICK_SECONDS = 0.005
_LINGER_MILLISECONDS = 20  # as adloom's own producer
_BLANK = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Workload:
    """How many events of how many users; items are always Zipf-distributed."""

    users: Users = "zipf"
    user_count: int = 100_000
    seed: int = 0

    def events(self, count: int) -> Iterator[Event]:
        """Each event happens at the moment it is taken."""
        rng = np.random.default_rng(self.seed)
        if self.users == "zipf":
            users = _zipf(rng, self.user_count, count)
        else:
            users = rng.integers(self.user_count, size=count)
        items = _zipf(rng, _ITEMS, count)
        kinds = rng.choice(len(_KINDS), size=count, p=_SHARES)
        rows = zip(users.tolist(), items.tolist(), kinds.tolist(), strict=True)
        for number, (user, item, kind) in enumerate(rows):
            yield _KINDS[kind](
                event_id=f"event-{self.seed}-{number}",
                ts=datetime.now(UTC),
                user_id=f"user-{user}",
                item_id=f"item-{item}",
                ad_id=f"ad-{item}",
                variant="champion",
                propensity=0.9,
                position=number % 10,
            )


def produce(kafka: KafkaSettings, workload: Workload, count: int) -> None:
    """Sends events as fast as Kafka takes them; all are acknowledged on return."""
    with EventProducer(kafka) as producer:
        for event in workload.events(count):
            producer.send(event)


def produce_steadily(
    kafka: KafkaSettings, workload: Workload, rate: float, count: int, start: Barrier
) -> None:
    """Sends `rate` events a second, each at its time, give or take a tick, once all are at `start`.

    To leave the machine to what is measured, all but their moments is encoded before, and the
    client is librdkafka: it takes a seventh of a core where kafka-python's takes most of one.

    Raises ImportError where confluent-kafka is not installed.
    """
    from confluent_kafka import Producer

    payloads = [
        (topic_of(kafka, kind_of(event)), event.user_id.encode(), _without_moment(event))
        for event in workload.events(count)
    ]
    gc.freeze()  # a look through so many objects would hold up the load
    producer = Producer(
        {
            **_librdkafka_options(kafka),
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": _LINGER_MILLISECONDS,
            "queue.buffering.max.messages": count,
        }
    )
    start.wait()
    started = time.monotonic()
    for number, (topic, key, (before, after)) in enumerate(payloads):
        if number / rate > time.monotonic() - started:
            time.sleep(_TICK_SECONDS)
            producer.poll(0)
        now = datetime.now(UTC).isoformat().encode()
        producer.produce(topic, before + now + after, key)
    producer.flush()


def _librdkafka_options(kafka: KafkaSettings) -> dict[str, Any]:
    password = kafka.sasl_password
    options = {
        "bootstrap.servers": kafka.bootstrap_servers,
        "security.protocol": kafka.security_protocol,
        "ssl.ca.location": kafka.ssl_cafile and str(kafka.ssl_cafile),
        "ssl.certificate.location": kafka.ssl_certfile and str(kafka.ssl_certfile),
        "ssl.key.location": kafka.ssl_keyfile and str(kafka.ssl_keyfile),
        "sasl.mechanism": kafka.sasl_mechanism,
        "sasl.username": kafka.sasl_username,
        "sasl.password": password and password.get_secret_value(),
    }
    return {name: value for name, value in options.items() if value is not None}


def _without_moment(event: Event) -> tuple[bytes, bytes]:
    encoded = encode(event.model_copy(update={"ts": _BLANK}))
    before, _, after = encoded.partition(b"1970-01-01T00:00:00Z")
    return before, after


def _zipf(rng: np.random.Generator, size: int, count: int) -> np.ndarray:
    weights = 1.0 / np.arange(1, size + 1) ** _ZIPF_EXPONENT
    return np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random(count))
