"""Avro and JSON with schemas of a registry become events; one that is away is waited for."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

pytest.importorskip("fastavro")

from confluent_kafka.schema_registry import (
    SchemaRegistryClient,
    header_schema_id_serializer,
    record_subject_name_strategy,
)
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from adloom.feature_store.store import FeatureStore
from adloom.stream.burial import replay_letters
from adloom.stream.consumer import EventConsumer
from adloom.stream.event_reader import EventReader
from adloom.stream.event_settings import EventSettings
from adloom.stream.events import InvalidEvent, Reason
from adloom.stream.producer import EventProducer
from adloom.stream.registry import RegistryUnavailable
from adloom.stream.settings import KafkaSettings
from tests.sample_events import START, click
from tests.schema_registry import Registry, running_registry
from tests.stream.test_consumer import accounted, consume, dead_letters, running, wait_until

AVRO = {
    "type": "record",
    "name": "Tap",
    "fields": [
        {"name": "uid", "type": "long"},
        {"name": "sku", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "page", "type": {"type": "map", "values": ["null", "string", "bytes"]}},
        {"name": "chance", "type": ["null", "double"], "default": None},
    ],
}
TAP: dict[str, Any] = {
    "uid": 7,
    "sku": Decimal(4711),
    "at": datetime(2024, 1, 1, tzinfo=UTC),
    "id": uuid.UUID(int=5),
    "page": {"lang": "de", "raw": b"\xff", "none": None},
    "chance": 0.5,
}
JSON_SCHEMA = {
    "title": "Tap",
    "type": "object",
    "properties": {"uid": {"type": "integer"}},
    "required": ["uid"],
}
JSON_TAP = {"uid": 7, "sku": 4711, "at": "2024-01-01T00:00:00Z", "id": "x", "page": {"lang": "de"}}
EVENTS = EventSettings.model_validate(
    {
        "fields": {
            "user_id": "uid",
            "item_id": "sku",
            "ts": "at",
            "event_id": "id",
            "context": "page",
            "propensity": "chance",
        }
    }
)


@pytest.fixture
def registry() -> Iterator[Registry]:
    with running_registry() as running:
        yield running


@pytest.fixture
def shop(registry: Registry) -> KafkaSettings:
    """Enough to read payloads; no broker is asked."""
    return asking(KafkaSettings(), registry)


@pytest.fixture
def live(kafka: KafkaSettings, registry: Registry) -> KafkaSettings:
    return asking(kafka, registry)


def asking(kafka: KafkaSettings, registry: Registry, **more: Any) -> KafkaSettings:
    told = {"url": registry.url, "timeout_seconds": 2} | more
    return KafkaSettings.model_validate(kafka.model_dump() | {"registry": told})


def serialized(
    kafka: KafkaSettings,
    registry: Registry,
    own: dict[str, Any],
    *,
    avro: bool = True,
    headers: list[Any] | None = None,
    **options: Any,
) -> bytes:
    client = SchemaRegistryClient({"url": registry.url})
    conf = {"auto.register.schemas": True} | options
    serialize: Any
    if avro:
        serialize = AvroSerializer(client, json.dumps(AVRO), conf=conf)
    else:
        serialize = JSONSerializer(json.dumps(JSON_SCHEMA), client, conf=conf)
    topic = kafka.topic("clicks")
    payload = serialize(own, SerializationContext(topic, MessageField.VALUE, headers))
    assert isinstance(payload, bytes)
    return payload


def reading(kafka: KafkaSettings) -> Callable[..., Any]:
    read = EventReader(kafka, EVENTS).of_topic(kafka.topic("clicks"))
    return lambda payload, headers=(): read(payload, headers, START)


def test_avro_with_logical_types_is_read(shop: KafkaSettings, registry: Registry) -> None:
    event = reading(shop)(serialized(shop, registry, TAP))
    assert (event.user_id, event.item_id, event.propensity) == ("7", "4711", 0.5)
    assert event.ts == datetime(2024, 1, 1, tzinfo=UTC)
    assert event.event_id == str(uuid.UUID(int=5))
    assert event.context == {"lang": "de", "raw": "/w==", "none": None}


def test_json_with_a_schema_is_read_and_plain_json_beside_it(
    shop: KafkaSettings, registry: Registry
) -> None:
    read = reading(shop)
    event = read(serialized(shop, registry, JSON_TAP, avro=False))
    assert (event.user_id, event.context) == ("7", {"lang": "de"})
    assert read(json.dumps(JSON_TAP).encode()) == event


def test_the_subject_of_a_schema_does_not_matter(shop: KafkaSettings, registry: Registry) -> None:
    by_record: dict[str, Any] = {"subject.name.strategy": record_subject_name_strategy}
    assert reading(shop)(serialized(shop, registry, TAP, **by_record)).user_id == "7"


def test_a_schema_may_be_named_in_a_header(shop: KafkaSettings, registry: Registry) -> None:
    headers: list[Any] = []
    by_header: dict[str, Any] = {"schema.id.serializer": header_schema_id_serializer}
    payload = serialized(shop, registry, TAP, headers=headers, **by_header)
    assert payload[0] != 0
    assert reading(shop)(payload, headers).user_id == "7"


def test_the_registry_is_asked_once_for_a_schema(shop: KafkaSettings, registry: Registry) -> None:
    payload, read = serialized(shop, registry, TAP), reading(shop)
    registry.requests.clear()
    for _ in range(3):
        read(payload)
        with pytest.raises(InvalidEvent, match="no schema 999"):
            read(b"\0\0\0\x03\xe7 ")
    assert len(registry.requests) == 2


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\0\0\0\x03\xe7what", Reason.UNKNOWN_SCHEMA),
        (b"\0", Reason.UNDECODABLE),
        (b"\0\0\0\0\1", Reason.UNDECODABLE),
        (b"\0\0\0\0\1\x0e", Reason.UNDECODABLE),
        (b"\0\0\0\0\1\x0e" + b"\xff" * 40, Reason.UNDECODABLE),
        (b"\1\0\0", Reason.UNDECODABLE),
        (b"\0" * 70_000, Reason.TOO_LARGE),
    ],
)
def test_bytes_that_no_schema_reads_are_refused(
    payload: bytes, reason: Reason, shop: KafkaSettings, registry: Registry
) -> None:
    serialized(shop, registry, TAP)  # schema 1
    with pytest.raises(InvalidEvent) as caught:
        reading(shop)(payload)
    assert caught.value.reason is reason


def test_json_that_its_schema_refuses_is_refused(shop: KafkaSettings, registry: Registry) -> None:
    payload = serialized(shop, registry, JSON_TAP, avro=False)
    payload = re.sub(rb'"uid": ?7', b'"uid":""', payload)
    with pytest.raises(InvalidEvent) as caught:
        reading(shop)(payload)
    assert caught.value.reason is Reason.UNDECODABLE


def test_a_schema_of_another_format_is_refused(shop: KafkaSettings, registry: Registry) -> None:
    number = registry.register({"schema": 'syntax = "proto3";', "schemaType": "PROTOBUF"})["id"]
    with pytest.raises(InvalidEvent, match="PROTOBUF"):
        reading(shop)(b"\0" + number.to_bytes(4) + b"payload")


def test_a_login_is_sent(registry: Registry) -> None:
    kafka = KafkaSettings()
    payload = serialized(asking(kafka, registry), registry, TAP)
    registry.login = ("ann", "se:cret")
    with pytest.raises(RegistryUnavailable, match="who are you"):
        reading(asking(kafka, registry))(payload)
    known = asking(kafka, registry, username="ann", password="se:cret")
    assert reading(known)(payload).user_id == "7"
    assert "se:cret" not in repr(known)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"url": "http://ann:secret@registry"}, "keep the login out of url"),
        ({"url": "registry:8081"}, "url"),
        ({"username": "ann"}, "both username and password"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        KafkaSettings.model_validate({"registry": settings})


def test_a_registry_that_is_away_is_waited_for_and_nothing_is_lost(
    live: KafkaSettings, registry: Registry, store: FeatureStore
) -> None:
    topic = live.topic("clicks")
    with EventProducer(live) as producer:
        producer.send_payload(topic, b"7", serialized(live, registry, TAP))
        producer.send(click("c", user_id="7"))
    registry.broken = True
    consumer = EventConsumer(live, store, EVENTS)
    with running(consumer):
        wait_until(lambda: any("ids" in path for path in registry.requests))
        time.sleep(0.2)
        assert not consumer.ready
        assert accounted(consumer) == 0
        registry.broken = False
        wait_until(lambda: accounted(consumer) == 2)
        wait_until(lambda: consumer.ready)
        assert consumer.counts.dead_letters == {}
    assert len(store.history("7")) == 2


def test_a_dead_letter_in_avro_is_replayed_as_it_was(
    live: KafkaSettings, registry: Registry, store: FeatureStore
) -> None:
    payload = serialized(live, registry, TAP)
    number = payload[1:5]
    with EventProducer(live) as producer:
        producer.send_payload(live.topic("clicks"), b"7", payload.replace(number, b"\0\0\0\2", 1))
    with EventConsumer(live, store, EVENTS) as consumer:
        consume(consumer, 1)
    [letter] = dead_letters(live, 1)
    assert letter.reason is Reason.UNKNOWN_SCHEMA
    registry.register({"schema": json.dumps(AVRO | {"doc": "registered late"})})
    assert replay_letters(live, own_events=EVENTS).sent == [letter]
    with EventConsumer(live, store, EVENTS) as consumer:
        consume(consumer, 1)
        assert consumer.counts.consumed == 1
    assert len(store.history("7")) == 1


def test_without_a_map_names_are_adlooms_and_the_rest_is_kept(
    shop: KafkaSettings, registry: Registry
) -> None:
    own = {"uid": 1, "event_id": "e", "ts": "2024-01-01T00:00:00Z", "user_id": "u", "item_id": "i"}
    read = EventReader(shop).of_topic(shop.topic("clicks"))
    event = read(serialized(shop, registry, own, avro=False), (), START)
    assert getattr(event, "model_extra", None) == {"uid": 1}
