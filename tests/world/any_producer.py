"""Producers as shops have them, by librdkafka: other partitioners, codecs, transactions."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from confluent_kafka import Producer

from adloom.stream.settings import KafkaSettings

_PATIENCE_SECONDS = 30.0

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
MURMUR2, CRC32 = "murmur2_random", "consistent_random"
"""Partitioners: the one that Java's clients and adloom have, and librdkafka's own."""


class Payload(NamedTuple):
    """What is to be sent."""

    topic: str
    key: bytes | None
    value: bytes


class Place(NamedTuple):
    """Where it came to lie."""

    topic: str
    partition: int
    offset: int


class AnyProducer:
    """For one batch."""

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        codec: str = "none",
        partitioner: str = MURMUR2,
        transactional: bool = False,
    ) -> None:
        options: dict[str, Any] = {
            "bootstrap.servers": kafka.bootstrap_servers,
            "compression.type": codec,
            "partitioner": partitioner,
            "enable.idempotence": True,
        }
        if transactional:
            options["transactional.id"] = uuid.uuid4().hex
        self._producer = Producer(options)
        if transactional:
            self._producer.init_transactions(_PATIENCE_SECONDS)
            self._producer.begin_transaction()

    def send(self, payloads: Sequence[Payload]) -> list[Place]:
        """All are acknowledged on return."""
        places: dict[int, Place] = {}
        for number, payload in enumerate(payloads):
            noting = functools.partial(_note, places, number)
            self._producer.produce(payload.topic, payload.value, payload.key, on_delivery=noting)
        assert self._producer.flush(_PATIENCE_SECONDS) == 0
        return [places[number] for number in range(len(payloads))]

    def commit(self) -> None:
        """What was sent in the transaction counts from now on."""
        self._producer.commit_transaction(_PATIENCE_SECONDS)

    def abort(self) -> None:
        """What was sent in the transaction never was."""
        self._producer.abort_transaction(_PATIENCE_SECONDS)


def _note(places: dict[int, Place], number: int, error: Any, message: Any) -> None:
    assert error is None, error
    places[number] = Place(message.topic(), message.partition(), message.offset())
