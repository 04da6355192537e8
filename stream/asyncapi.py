"""All topics as an AsyncAPI document, by the names that the settings give them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from pydantic.json_schema import models_json_schema

from adloom.stream.dead_letter import DeadLetter
from adloom.stream.event_settings import EventSettings, FieldMap, FieldSource
from adloom.stream.events import EVENT_TYPES, Kind
from adloom.stream.headers import MARK
from adloom.stream.settings import KafkaSettings
from adloom.stream.topic_names import dead_letter_topic, event_topics, products_topic

Document = dict[str, Any]

_ASYNCAPI = "3.0.0"
_KAFKA_BINDING = "0.5.0"
_LETTERS, _PRODUCTS = "deadletter", "products"
_OF_EVENTS = {
    "receive": "What shoppers did becomes features, and clicks train the next version.",
    "send": "What came by POST /v1/events, and the ads that were served.",
}
_OF_OTHERS = {
    _LETTERS: {"send": "What could not be used, and why."},
    _PRODUCTS: {"receive": "Products come into the catalogue, change there, and are retired."},
}


def asyncapi(kafka: KafkaSettings, events: EventSettings, products: Mapping[str, str]) -> Document:
    """AsyncAPI 3.0 document of the topics that the settings name.

    Args:
        products: what each attribute of a product tells, for the topic of products.
    """
    channels = _channels(kafka)
    document: Document = {
        "asyncapi": _ASYNCAPI,
        "info": {
            "title": "adloom",
            "version": version("adloom"),
            "description": "The topics that adloom reads and writes. Records of events are keyed "
            "by user id; the topics of events have the same number of partitions.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": _operations(channels),
        "components": {"messages": _messages(events), "schemas": _schemas(products)},
    }
    if kafka.bootstrap_servers is not None:
        document["servers"] = _servers(kafka)
    return document


def _operations(channels: Document) -> Document:
    return {
        f"{action}-{name}": {
            "action": action,
            "channel": {"$ref": f"#/channels/{name}"},
            "summary": summary,
        }
        for name in channels
        for action, summary in _OF_OTHERS.get(name, _OF_EVENTS).items()
    }


def _servers(kafka: KafkaSettings) -> Document:
    protocol = "kafka" if kafka.security_protocol == "PLAINTEXT" else "kafka-secure"
    hosts = (kafka.bootstrap_servers or "").split(",")
    return {
        f"kafka-{number}": {"host": host.strip(), "protocol": protocol}
        for number, host in enumerate(hosts, start=1)
    }


def _channels(kafka: KafkaSettings) -> Document:
    channels: Document = {}
    for topic, kinds in event_topics(kafka).items():
        name = f"{kinds[0]}s" if len(kinds) == 1 else "events"
        channels[name] = _channel(topic, kafka.partitions, kinds)
    letters, products = dead_letter_topic(kafka), products_topic(kafka)
    channels[_LETTERS] = _channel(letters, kafka.partitions, ("deadletter",))
    channels[_PRODUCTS] = _channel(products, kafka.partitions, ("product", "retired"))
    channels[_PRODUCTS]["bindings"]["kafka"]["topicConfiguration"] = {"cleanup.policy": ["compact"]}
    return channels


def _channel(topic: str, partitions: int, messages: tuple[str, ...]) -> Document:
    binding = {"topic": topic, "partitions": partitions, "bindingVersion": _KAFKA_BINDING}
    return {
        "address": topic,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {"kafka": binding},
    }


def _messages(events: EventSettings) -> Document:
    messages: Document = {
        kind: _message(model.__name__, _summary(model), "id of the user", model.__name__)
        for kind, model in EVENT_TYPES.items()
    }
    for kind in EVENT_TYPES:
        fields = events.map_of(kind)
        if fields is not None:
            messages[kind]["payload"] = _own_form(kind, fields)
        messages[kind]["headers"] = {
            "type": "object",
            "properties": {
                MARK: {
                    "const": kind,
                    "description": "set by adloom itself: the payload is in adloom's own form",
                }
            },
        }
    messages["deadletter"] = _message(
        "DeadLetter",
        "What is no event or product, and why. Without a value: it waits no longer.",
        "topic/partition/offset of the payload",
        "DeadLetter",
    )
    messages["product"] = _message(
        "Product", "A product as it is now.", "id of the product", "Product"
    )
    messages["retired"] = _message(
        "Retired", "A record without a value: the product is sold no longer.", "id of the product"
    )
    return messages


def _message(name: str, summary: str, key: str, schema: str | None = None) -> Document:
    binding = {
        "key": {"type": "string", "description": key},
        "bindingVersion": _KAFKA_BINDING,
    }
    payload = {"type": "null"} if schema is None else {"$ref": f"#/components/schemas/{schema}"}
    return {"name": name, "summary": summary, "payload": payload, "bindings": {"kafka": binding}}


def _own_form(kind: Kind, fields: FieldMap) -> Document:
    places = {}
    for name in EVENT_TYPES[kind].model_fields:
        source = getattr(fields, name, None)
        if isinstance(source, FieldSource) and source.path is not None:
            places[name] = source.path
    told = ", ".join(f"{name} is {path}" for name, path in places.items())
    return {"type": "object", "description": f"In the shop's own form: {told}."}


def _schemas(products: Mapping[str, str]) -> Document:
    models = [(model, "validation") for model in (*EVENT_TYPES.values(), DeadLetter)]
    _, schema = models_json_schema(
        models,  # type: ignore[arg-type]
        ref_template="#/components/schemas/{model}",
    )
    kinds: list[str] = ["string", "number", "array", "null"]
    schemas: Document = dict(schema["$defs"])
    schemas["Product"] = {
        "title": "Product",
        "description": "Attributes of Google's product feed; adloom reads these.",
        "type": "object",
        "required": ["id", "title"],
        "properties": {
            name: {"type": kinds, "description": told} for name, told in products.items()
        },
        "additionalProperties": True,
    }
    return schemas


def _summary(model: type) -> str:
    return (model.__doc__ or "").partition("\n")[0]
