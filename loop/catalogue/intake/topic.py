"""The topic of products: the shop's own systems write it, the catalogue follows.

It is compacted: a record has the attributes of a product as JSON under the product's id, a record
without a value (a tombstone) retires it. Many servers share the partitions as one consumer group.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from kafka import KafkaConsumer
from pydantic_core import from_json

from adloom.loop.catalogue.feeds.columns import Columns
from adloom.loop.catalogue.feeds.jsonlines import fields_of
from adloom.loop.catalogue.feeds.parsing import parse_product
from adloom.loop.catalogue.feeds.refusals import FeedRow, RowRefused
from adloom.loop.catalogue.intake.importing import Advice, Importer
from adloom.loop.catalogue.intake.metrics import PROBLEM, count_products
from adloom.loop.catalogue.intake.picture_sources import LinkedPictures
from adloom.loop.catalogue.intake.report import ImportReport
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.settings.catalogue import CatalogSettings
from adloom.stream.cluster.refusals import refusal_of
from adloom.stream.dead_letter import DeadLetter
from adloom.stream.events import MAX_PAYLOAD_BYTES, InvalidEvent, Reason
from adloom.stream.membership.batch import Records
from adloom.stream.membership.fetches import READ_COMMITTED, Fetches, await_join
from adloom.stream.needs import to_follow_products
from adloom.stream.producer import EventProducer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import create_topics, dead_letter_topic, products_topic

_log = logging.getLogger("adloom.catalogue")
_POLL_MILLISECONDS = 500
_RECORDS_AT_ONCE = 100  # each may have a picture to fetch, and the group waits for that long
_HEARTBEATS_IN_A_SESSION = 5
_PAUSE_SECONDS = 2.0
_PATIENCE_SECONDS = 5.0  # with a broker that does not answer
_CLOSING_MILLISECONDS = 2_000
_METRIC = "topic"
_GROUP_SUFFIX = "-products"


class ProductTopic:
    """Takes the topic's records into the catalogue; what is no product becomes a dead letter.

    ``problem`` is why it cannot be read; None while it is.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        catalogue: Catalogue,
        settings: CatalogSettings,
        advice: Advice = lambda product: (),
    ) -> None:
        self._kafka = kafka
        self._catalogue = catalogue
        self._settings = settings
        self._topic = products_topic(kafka)
        self._importer = Importer(
            catalogue,
            settings,
            self._topic,
            LinkedPictures(settings),
            advice=advice,
            keep_pictures=True,
        )
        self.problem: str | None = None

    def run(self, stop: threading.Event) -> None:
        """Follow until ``stop`` is set; after an outage it goes on where it was."""
        while not stop.is_set():
            try:
                with ExitStack() as parts:
                    consumer = self._consumer()
                    parts.callback(consumer.close, timeout_ms=_CLOSING_MILLISECONDS)
                    letters = parts.enter_context(
                        EventProducer(self._kafka, patience_seconds=_PATIENCE_SECONDS)
                    )
                    self._follow(consumer, letters, stop)
            except Exception as error:
                # What is not committed is read again: by then it is known.
                told = str(refusal_of(error, self._kafka) or error)
                if self.problem != told:
                    _log.warning("%s cannot be followed: %s", self._topic, told)
                self._tell(told)
                stop.wait(_PAUSE_SECONDS)

    def _follow(
        self, consumer: KafkaConsumer, letters: EventProducer, stop: threading.Event
    ) -> None:
        Fetches(consumer)  # a batch that cannot be unpacked is an error, not a poll without end
        while not stop.is_set():
            await_join(consumer)
            records = consumer.poll(timeout_ms=_POLL_MILLISECONDS)
            if records:
                count_products(self.take(records, letters))
                consumer.commit()
            self._tell(None)

    def take(self, records: Records, letters: EventProducer) -> ImportReport:
        """Take in what was polled: of several records of a product the last good one counts."""
        latest: dict[str, FeedRow | _Told] = {}
        refused: list[tuple[_Told, str]] = []
        polled = _polled(records)
        for line, told in enumerate(polled):
            try:
                found = told if told.payload is None else self._row(line, told)
            except RowRefused as error:
                refused.append((told, str(error)))
            else:
                latest.pop(told.product_id, None)
                latest[told.product_id] = found
        report = ImportReport(refused=len(refused))
        rows = [found for found in latest.values() if isinstance(found, FeedRow)]
        for _ in self._importer.take(rows, report):
            pass
        gone = [name for name, found in latest.items() if isinstance(found, _Told)]
        report.retired += len(self._catalogue.retire(gone)) if gone else 0
        notes = [note for note in report.notes if note.kind == "refused"]
        self._bury([*refused, *((polled[note.line], note.text) for note in notes)], letters)
        return report

    def _bury(self, refused: Sequence[tuple[_Told, str]], letters: EventProducer) -> None:
        for told, reason in refused:
            letter = told.letter(reason)
            letters.send_payload(dead_letter_topic(self._kafka), letter.key, letter.encode())
        letters.flush()

    def _row(self, line: int, told: _Told) -> FeedRow:
        """The product that a record tells; ``line`` is its place among those polled.

        Raises RowRefused.
        """
        warnings: list[str] = []
        fields = fields_of(_object(told.payload or b""), Columns({}))
        product = parse_product(fields, self._settings.language, warn=warnings.append)
        if product.product_id != told.product_id:
            raise RowRefused(f"id: is {product.product_id!r}, and the key of the record is not")
        return FeedRow(told.topic, line, product, tuple(warnings))

    def _tell(self, problem: str | None) -> None:
        self.problem = problem
        PROBLEM.labels(_METRIC).set(problem is not None)

    def _consumer(self) -> KafkaConsumer:
        create_topics(self._kafka, to_follow_products(self._kafka))
        session = int(self._kafka.session_seconds * 1000)
        consumer = KafkaConsumer(
            **self._kafka.client_options(),
            **READ_COMMITTED,
            group_id=f"{self._kafka.group_id}{_GROUP_SUFFIX}",
            session_timeout_ms=session,
            heartbeat_interval_ms=session // _HEARTBEATS_IN_A_SESSION,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            max_poll_records=_RECORDS_AT_ONCE,
            allow_auto_create_topics=False,
        )
        consumer.subscribe([self._topic])
        return consumer


@dataclass(frozen=True)
class _Told:
    """A record of the topic."""

    topic: str
    partition: int
    offset: int
    key: bytes
    payload: bytes | None

    @property
    def product_id(self) -> str:
        return self.key.decode(errors="replace")

    def letter(self, reason: str) -> DeadLetter:
        error = InvalidEvent(Reason.NOT_A_PRODUCT, f"product {self.product_id!r}: {reason}")
        return DeadLetter.of(error, self.topic, self.partition, self.offset, self.payload or b"")


def _polled(records: Records) -> list[_Told]:
    """All of them; those of a product, which share a partition, in the order of the topic."""
    return [
        _Told(partition.topic, partition.partition, record.offset, record.key or b"", record.value)
        for partition, part in records.items()
        for record in part
    ]


def _object(payload: bytes) -> dict[str, object]:
    """What a record tells. Raises RowRefused."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise RowRefused(f"the record has {len(payload)} bytes; at most {MAX_PAYLOAD_BYTES}")
    try:
        told = from_json(payload, allow_inf_nan=False)
    except ValueError as error:
        raise RowRefused(f"the record is not JSON: {error}") from error
    if not isinstance(told, dict):
        raise RowRefused("the record is no JSON object")
    return told
