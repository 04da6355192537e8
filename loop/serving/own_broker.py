"""The broker of a server: the shop's cluster, or one of its own and a consumer that reads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from adloom.loop import home
from adloom.loop.serving.event_sender import EventSender
from adloom.loop.settings import Settings
from adloom.stream.broker import running_broker
from adloom.stream.consumer import EventConsumer
from adloom.stream.consuming import consuming
from adloom.stream.needs import to_send_events
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


def started_stream(
    settings: Settings, parts: ExitStack
) -> tuple[KafkaSettings, EventSender, EventConsumer | None]:
    """The broker's address, what sends to it, and the consumer of one of the server's own.

    A cluster need not be there: ads are drawn without it. A broker of its own is ended after both.
    Raises BrokerUnavailable.
    """
    kafka, patience = settings.kafka, settings.serve.timeout_seconds
    consumer = None
    if kafka.bootstrap_servers is not None:
        # What else is missing, such as a right on products, keeps no event from being sent.
        needs = to_send_events(kafka)
        sender = EventSender(kafka, needs, patience, read_by_others=True)
    else:
        # It ends after the sender is closed: what was sent till then is read.
        kafka, consumer = parts.enter_context(own_broker(settings))
        sender = EventSender(kafka, to_send_events(kafka), patience)
        sender.connect()
    parts.callback(sender.close)
    return kafka, sender, consumer
