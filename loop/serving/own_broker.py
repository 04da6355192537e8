"""The broker that a server has of its own, and the consumer that reads what is sent to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from adloom.loop import home
from adloom.loop.settings import Settings
from adloom.stream.broker import running_broker
from adloom.stream.consumer import EventConsumer
from adloom.stream.consuming import consuming
from adloom.stream.settings import KafkaSettings

_DRAIN_SECONDS = 7.0  # whoever asks a server to end often kills it after ten seconds


@contextmanager
def own_broker(settings: Settings) -> Iterator[tuple[KafkaSettings, EventConsumer]]:
    """A local broker while the block runs: its address, and its consumer at work.

    What was sent by the end of the block is read before the broker ends with this process.
    Raises BrokerUnavailable.
    """
    with (
        running_broker(settings.kafka) as kafka,
        home.open_features(settings) as features,
        home.who_is_forgotten(settings, "the consumer of adloom serve") as forgotten,
    ):
        consumer = EventConsumer(kafka, features, settings.events, forgotten)
        with consuming(consumer, drain_seconds=_DRAIN_SECONDS):
            yield kafka, consumer
