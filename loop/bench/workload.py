"""Events that look like a site's: few users cause most of them, or all users the same share."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np

from stream.events import EVENT_TYPES, Event, Kind
from stream.producer import EventProducer
from stream.settings import KafkaSettings

Users = Literal["zipf", "uniform"]

_KINDS: tuple[Kind, ...] = ("impression", "exposure", "click")
_SHARES = (0.8, 0.1, 0.1)
_ZIPF_EXPONENT = 1.1
_ITEMS = 2_000


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
            yield EVENT_TYPES[_KINDS[kind]](
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


def produce_steadily(kafka: KafkaSettings, workload: Workload, rate: float, count: int) -> None:
    """Sends `rate` events a second, each at its time."""
    with EventProducer(kafka) as producer:
        started = time.monotonic()
        events = workload.events(count)
        for number in range(count):
            while (early := started + number / rate - time.monotonic()) > 0:
                time.sleep(early)
            producer.send(next(events))


def _zipf(rng: np.random.Generator, size: int, count: int) -> np.ndarray:
    weights = 1.0 / np.arange(1, size + 1) ** _ZIPF_EXPONENT
    return np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random(count))
