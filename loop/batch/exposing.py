"""Ads of a batch count as shown: at once, over the broker, or once the shop reports them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from adloom.feature_store.backend import StoreUnavailable
from adloom.feature_store.event_log import EventLog
from adloom.loop.batch.order import Order
from adloom.loop.catalogue.creatives.store import Creative
from adloom.loop.exposures.kept import KeptExposures
from adloom.loop.privacy.reading import Reader
from adloom.loop.serving.exposures import exposure_id
from adloom.loop.serving.own_broker import own_broker
from adloom.loop.settings import Settings
from adloom.stream.consumer import EventConsumer
from adloom.stream.events import Exposure
from adloom.stream.forgotten import why_left_out
from adloom.stream.needs import to_send_exposures
from adloom.stream.producer import EventProducer
from adloom.stream.topics import create_topics

_PATIENCE_SECONDS = 120.0
_PAUSE_SECONDS = 0.02

Tell = Callable[[Sequence[Exposure]], set[str]]
"""Takes exposures; returns the ids of those that count, or may. It may be told them again."""


def exposure_of(user_id: str, ad: Creative, order: Order) -> Exposure:
    """The event that an ad of a batch was shown; the same whenever it is made."""
    return Exposure(
        event_id=exposure_id(ad.ad_id),
        ts=ad.served_at,
        user_id=user_id,
        item_id=ad.product_id,
        ad_id=ad.ad_id,
        variant=ad.variant,
        propensity=1.0,
        position=0,
        context={"version": ad.version, "batch": order.run},
    )


@contextmanager
def exposing(
    settings: Settings, order: Order, log: EventLog, kept: KeptExposures, forgotten: Reader
) -> Iterator[Tell]:
    """What takes exposures while the block runs.

    Without a configured broker it starts the local one and applies its events itself; what it was
    told is in the log when it returns, since this broker forgets it with this process.

    Raises BrokerUnavailable, KafkaRefused; then also DeliveryFailed, StoreUnavailable.
    """
    if not order.exposures:
        yield partial(kept.keep, forgotten=forgotten)
    elif settings.kafka.bootstrap_servers is None:
        with (
            own_broker(settings, batch=True) as (kafka, consumer),
            EventProducer(kafka) as producer,
        ):
            yield partial(_send, producer, forgotten, _Applied(consumer, log).wait)
    else:
        create_topics(settings.kafka, to_send_exposures(settings.kafka))
        with EventProducer(settings.kafka) as producer:
            yield partial(_send, producer, forgotten, lambda sent: None)


def _send(
    producer: EventProducer,
    forgotten: Reader,
    wait: Callable[[int], None],
    made: Sequence[Exposure],
) -> set[str]:
    counting = [one for one in made if why_left_out(forgotten, one.user_id, one.ts) is None]
    producer.deliver(counting)
    wait(len(counting))
    return {one.event_id for one in counting}


class _Applied:
    """Waits for the consumer of a broker that nobody else sends to."""

    def __init__(self, consumer: EventConsumer, log: EventLog) -> None:
        self._consumer, self._log = consumer, log
        self._sent = 0

    def wait(self, sent: int) -> None:
        """Until so many more are in the features and in the log."""
        self._sent += sent
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._taken() < self._sent:
            if time.monotonic() > deadline:
                why = self._consumer.state.problem or "the consumer does not come to it"
                raise StoreUnavailable(f"exposures do not come into the features: {why}")
            time.sleep(_PAUSE_SECONDS)
        self._log.flush()

    def _taken(self) -> int:
        counts = self._consumer.counts
        return counts.consumed + sum(counts.dropped.values())
