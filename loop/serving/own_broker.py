"""The broker of a server: the shop's cluster, or one of its own and a consumer that reads it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from adloom.loop import home
from adloom.loop.serving.event_sender import EventSender
from adloom.loop.settings import Settings
from adloom.stream.broker import running_broker
from adloom.stream.cluster.refusals import BrokerUnavailable
from adloom.stream.consumer import EventConsumer
from adloom.stream.consuming import consuming
from adloom.stream.needs import to_send_events
from adloom.stream.settings import KafkaSettings

_LOCK = "own-broker.lock"
_BESIDE_SERVER = (
    "adloom serve runs in {home} with a broker of its own, and features follow one broker at a "
    "time: stop it meanwhile, set kafka.bootstrap_servers for both, or give --no-exposure and "
    "report what is shown (POST /v1/exposures/ID)"
)
_BESIDE_BATCH = (
    "adloom ads runs in {home} with a broker of its own, and features follow one broker at a "
    "time: wait for it, or set kafka.bootstrap_servers for both"
)
_DRAIN_SECONDS = 7.0  # whoever asks a server to end often kills it after ten seconds


@contextmanager
def apart(home: Path, *, batch: bool = False) -> Iterator[None]:
    """A batch's broker and a server's are not in one home at a time. Raises BrokerUnavailable.

    The progress of the features tells of one life of a topic: what another broker sent meanwhile
    would count as not applied yet.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (home / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, (fcntl.LOCK_EX if batch else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            told = _BESIDE_SERVER if batch else _BESIDE_BATCH
            raise BrokerUnavailable(told.format(home=home)) from None
        yield


@contextmanager
def own_broker(
    settings: Settings, *, batch: bool = False
) -> Iterator[tuple[KafkaSettings, EventConsumer]]:
    """A local broker while the block runs: its address, and its consumer at work.

    What was sent by the end of the block is read before the broker ends with this process.
    Raises BrokerUnavailable, also where a ``batch`` and a server would run in one home.
    """
    with (
        apart(settings.home, batch=batch),
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
