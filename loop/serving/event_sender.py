"""The ad server's events on their way to the broker, which may be away or refuse them.

Ads are drawn all the same: events that cannot be sent are refused in words, exposures counted.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import closing

from kafka.errors import KafkaError

from adloom.loop.serving.metrics import EXPOSURES_LOST
from adloom.stream.cluster.reaching import reach
from adloom.stream.cluster.refusals import BrokerUnavailable, KafkaRefused
from adloom.stream.cluster.rights import Needs
from adloom.stream.events import Event
from adloom.stream.outages import Pauses
from adloom.stream.producer import DeliveryFailed, EventProducer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import TopicWatch, create_topics

_log = logging.getLogger("adloom.serve")

_LOOK_SECONDS = 5.0
_FIRST_TRY_SECONDS = 3.0
_UNREAD = (
    "no adloom consume runs (the group {} has no members): events are sent, and none of them "
    "comes into features"
)


class EventSender:
    """Sends events once the cluster takes adloom in, and again after it was away.

    Safe to use from several threads.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        needs: Needs,
        patience_seconds: float,
        *,
        read_by_others: bool = False,
    ) -> None:
        """Connects to nothing yet.

        Args:
            needs: the topics that are sent to and what else must be there, with the rights.
            patience_seconds: how long an event may take.
            read_by_others: `adloom consume` has to bring the events into features, and it is
                noted where none runs.
        """
        self._read_by_others = read_by_others
        self._kafka = kafka
        self._needs = needs
        self._patience_seconds = patience_seconds
        self._producer: EventProducer | None = None
        self._tried = threading.Event()
        self._refused = threading.Event()
        self._lost = 0
        self._failed = 0  # of this producer, as far as counted
        self._undelivered: tuple[str, int] | None = None  # why, and what was produced before
        self._renewed_at = 0.0
        self._fails = False  # since then
        self._away: str | None = "no broker was asked yet"
        self._away_for_good = False  # a refusal: no waiting mends it
        self._unread: str | None = None

    @property
    def problem(self) -> str | None:
        """Why events cannot be sent, in one line; None while they can."""
        return self._away or (self._undelivered and self._undelivered[0])

    @property
    def notes(self) -> tuple[str, ...]:
        """What someone should see to, though events are sent."""
        return () if self._unread is None else (self._unread,)

    def connect(self) -> None:
        """Make the topics that are missing, and a producer.

        Raises BrokerUnavailable, KafkaRefused.
        """
        reach(self._kafka, 0.0)  # without patience: the problem is told meanwhile
        create_topics(self._kafka, self._needs)
        self._refused.clear()
        self._failed, self._undelivered, self._fails = 0, None, False
        self._producer = EventProducer(self._kafka, patience_seconds=self._patience_seconds)
        self._tell(None)

    def run(self, stop: threading.Event) -> None:
        """Connect where nobody has, and look after the connection until ``stop`` is set."""
        pauses = Pauses()
        while not stop.is_set():
            try:
                if self._producer is None:
                    self.connect()
                self._watch(stop, pauses)
            except (BrokerUnavailable, KafkaRefused, KafkaError, OSError) as error:
                self._tell(str(error), for_good=isinstance(error, KafkaRefused))
                stop.wait(pauses.next())

    def send(self, event: Event) -> None:
        """Send an event that nobody waits for: an exposure that cannot be sent is counted."""
        try:
            producer = self._connected()
        except (BrokerUnavailable, KafkaRefused):
            self._count_lost(1)
            return
        try:
            producer.send(event)
        except (KafkaRefused, DeliveryFailed) as error:
            self._note(error)
            self._count_lost(1)

    def send_all(self, events: Sequence[Event]) -> list[None]:
        """The same of several."""
        for event in events:
            self.send(event)
        return [None] * len(events)

    def deliver(self, events: Iterable[Event]) -> None:
        """Send events and wait until every one of them is acknowledged.

        Raises BrokerUnavailable, at once while the broker is known to be away; KafkaRefused,
        DeliveryFailed.
        """
        producer = self._connected()
        if self._away is not None:
            raise self._why_away()
        began = time.monotonic()
        try:
            producer.deliver(events)
        except (KafkaRefused, DeliveryFailed) as error:
            self._note(error)
            self._fails = self._fails or began > self._renewed_at
            raise

    def close(self) -> None:
        """Wait for what is on its way, then let the connection go."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            producer.close()
        except (DeliveryFailed, KafkaRefused, KafkaError) as error:
            _log.warning("events were not sent: %s", error)
        self._look_at(producer)

    def _connected(self) -> EventProducer:
        self._tried.wait(_FIRST_TRY_SECONDS)
        if self._producer is None:
            raise self._why_away()
        return self._producer

    def _why_away(self) -> BrokerUnavailable | KafkaRefused:
        return (KafkaRefused if self._away_for_good else BrokerUnavailable)(self.problem)

    def _watch(self, stop: threading.Event, pauses: Pauses) -> None:
        """Ask for the topics now and then, for a producer does not tell that its broker is away.

        Returns at the end, and when the producer was refused: it may be of no more use then.
        """
        topics = TopicWatch(self._kafka, self._needs, patience_seconds=self._patience_seconds)
        with closing(topics):
            while not stop.is_set() and self._producer is not None:
                topics.look()
                if self._refused.is_set():
                    self.close()
                    return
                self._tell(None)
                self._look_at(self._producer)
                if self._fails or self._producer.is_stuck:
                    self._renew(self._producer)
                self._look_for_readers(topics)
                pauses.end()
                stop.wait(_LOOK_SECONDS)

    def _renew(self, producer: EventProducer) -> None:
        """The broker answers, and takes no events: the client may never get on."""
        _log.warning("events did not come to the broker, which answers: a new connection is made")
        producer.renew()
        self._renewed_at, self._fails = time.monotonic(), False

    def _look_for_readers(self, topics: TopicWatch) -> None:
        """Where a right is missing, nothing is said: it cannot be known."""
        if not self._read_by_others or (members := topics.consumers()) is None:
            return
        unread = None if members else _UNREAD.format(self._kafka.group_id)
        if unread != self._unread and unread is not None:
            _log.warning("%s", unread)
        self._unread = unread

    def _look_at(self, producer: EventProducer) -> None:
        """Count exposures that were sent and not taken; a delivery mends the last that was not."""
        failed, self._failed = producer.failed - self._failed, producer.failed
        self._count_lost(failed)
        if self._undelivered is not None and producer.produced > self._undelivered[1]:
            self._undelivered = None

    def _note(self, error: Exception) -> None:
        producer = self._producer
        self._undelivered = (str(error), 0 if producer is None else producer.produced)
        _log.warning("events were not sent: %s", error)
        if isinstance(error, KafkaRefused):
            self._refused.set()

    def _count_lost(self, number: int) -> None:
        if number:
            EXPOSURES_LOST.inc(number)
            self._lost += number
            _log.warning("%d exposures were lost so far: no broker took them", self._lost)

    def _tell(self, problem: str | None, *, for_good: bool = False) -> None:
        if problem is not None and problem != self._away:
            _log.warning("events cannot be sent: %s", problem)
        elif problem is None and self._away is not None:
            _log.info("events are sent to %s", self._kafka.bootstrap_servers)
        self._away, self._away_for_good = problem, for_good
        self._tried.set()
