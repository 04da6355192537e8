"""The topic of products: the shop's own systems write it, the catalogue follows.

It is compacted: a record has the attributes of a product as JSON under the product's id, a record
without a value (a tombstone) retires it. Many servers share the partitions as one consumer group.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from kafka import KafkaConsumer

from adloom.loop.catalogue.feeds.parsing import parse_product
from adloom.loop.catalogue.feeds.refusals import FeedRow, Refusal, RowRefused
from adloom.loop.catalogue.import_report import ImportReport
from adloom.loop.catalogue.importing import Advice, Importer
from adloom.loop.catalogue.picture_sources import LinkedPictures
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.settings.catalogue import CatalogSettings
from adloom.stream.batch import Records
from adloom.stream.dead_letter import DeadLetter
from adloom.stream.events import MAX_PAYLOAD_BYTES, InvalidEvent, Reason
from adloom.stream.producer import EventProducer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import dead_letter_topic, products_topic

_log = logging.getLogger("adloom.catalogue")
_POLL_MILLISECONDS = 500
_RECORDS_AT_ONCE = 500
_PAUSE_SECONDS = 5.0
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
            catalogue, settings, self._topic, LinkedPictures(settings), advice=advice
        )
        self.problem: str | None = None

    def run(self, stop: threading.Event) -> None:
        """Follow until ``stop`` is set; after an outage it goes on where it was."""
        while not stop.is_set():
            try:
                with ExitStack() as parts:
                    consumer = self._consumer()
                    parts.callback(consumer.close)
                    letters = parts.enter_context(EventProducer(self._kafka))
                    while not stop.is_set():
                        records = consumer.poll(timeout_ms=_POLL_MILLISECONDS)
                        if records:
                            self.take(records, letters)
                            consumer.commit()
                        self.problem = None
            except Exception as error:
                if self.problem != str(error):
                    _log.warning("%s cannot be followed: %s", self._topic, error)
                self.problem = str(error)
                stop.wait(_PAUSE_SECONDS)

    def take(self, records: Records, letters: EventProducer) -> ImportReport:
        """Take in what was polled: of several records of a product the last one counts."""
        told = _latest(records)
        report = ImportReport()
        for _ in self._importer.take(self._rows(told), report):
            pass
        gone = [one.product_id for one in told if one.payload is None]
        report.retired += len(self._catalogue.retire(gone)) if gone else 0
        for note in report.notes:
            if note.kind == "refused":
                letter = told[note.line].letter(note.text)
                letters.send_payload(dead_letter_topic(self._kafka), letter.key, letter.encode())
        letters.flush()
        return report

    def _rows(self, told: Sequence[_Told]) -> Iterator[FeedRow | Refusal]:
        """A row's line is its place in ``told``."""
        for line, one in enumerate(told):
            if one.payload is None:
                continue
            warnings: list[str] = []
            try:
                fields = _fields(one.payload)
                product = parse_product(fields, self._settings.language, warn=warnings.append)
                if product.product_id != one.product_id:
                    raise RowRefused(f"id: the key of the record is {one.product_id!r}")
            except RowRefused as error:
                yield Refusal(one.topic, line, str(error), one.product_id)
            else:
                yield FeedRow(one.topic, line, product, tuple(warnings))

    def _consumer(self) -> KafkaConsumer:
        consumer = KafkaConsumer(
            **self._kafka.client_options(),
            group_id=f"{self._kafka.group_id}{_GROUP_SUFFIX}",
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
        error = InvalidEvent(Reason.NOT_A_PRODUCT, reason)
        return DeadLetter.of(error, self.topic, self.partition, self.offset, self.payload or b"")


def _latest(records: Records) -> list[_Told]:
    """The last record of each key, in the order of the topic."""
    latest: dict[bytes, _Told] = {}
    for partition, part in records.items():
        for record in part:
            key = record.key or b""
            latest.pop(key, None)
            latest[key] = _Told(
                partition.topic, partition.partition, record.offset, key, record.value
            )
    return list(latest.values())


def _fields(payload: bytes) -> dict[str, object]:
    """The attributes that a record tells. Raises RowRefused."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise RowRefused(f"the record has {len(payload)} bytes; at most {MAX_PAYLOAD_BYTES}")
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise RowRefused(f"the record is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise RowRefused("the record is no JSON object")
    return fields
