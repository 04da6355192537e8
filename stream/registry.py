"""Payloads that name their schema in a registry: Avro, and JSON with a schema.

The client library's own deserialisers read them. A registry that is away is an outage, which time
may heal; a schema that it does not know, or bytes that are not of their schema, are not.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from adloom.stream.events import InvalidEvent, Reason
from adloom.stream.headers import SCHEMA_HEADER, Headers
from adloom.stream.plain_json import plain
from adloom.stream.settings import RegistrySettings
from adloom.stream.topics import BrokerUnavailable

_FRAMES = (b"\0", b"\1")  # the first byte: a number or a GUID of the schema follows
_TOLD_CHARACTERS = 300
_UNKNOWN_FOR_SECONDS = 30.0  # then the registry is asked again
_NOT_FOUND, _OUTAGES = 404, frozenset((401, 403, 407, 408, 425, 429))


class RegistryUnavailable(BrokerUnavailable):
    """The schema registry does not answer, or does not let adloom in."""


class SchemaRegistry:
    """A registry, and what it told. Use it from one thread."""

    def __init__(self, settings: RegistrySettings) -> None:
        """Asks nothing yet. Raises RegistryUnavailable where the client is not installed."""
        try:
            from confluent_kafka.schema_registry import SchemaRegistryClient
            from confluent_kafka.schema_registry.avro import AvroDeserializer
            from confluent_kafka.schema_registry.json_schema import JSONDeserializer
        except ImportError as error:
            raise RegistryUnavailable(
                "kafka.registry.url needs the registry's client: pip install 'adloom[registry]'"
            ) from error
        self._url = str(settings.url)
        self._client = SchemaRegistryClient(_client_options(settings))
        # Schemas are found by the id that a payload names, whatever subject they are under.
        options = {"subject.name.strategy": lambda *_: None}
        self._deserializers = {
            "AVRO": AvroDeserializer(self._client, conf=options),
            "JSON": JSONDeserializer(None, schema_registry_client=self._client, conf=options),
        }
        self._unknown: dict[str, float] = {}

    @staticmethod
    def frames(payload: bytes, headers: Headers) -> bool:
        """Whether a payload names a schema; JSON alone begins with neither byte."""
        return payload[:1] in _FRAMES or any(name == SCHEMA_HEADER for name, _ in headers)

    def decode(self, topic: str, payload: bytes, headers: Headers) -> Mapping[str, Any]:
        """The object that a payload is, with values as JSON has them.

        Raises InvalidEvent, RegistryUnavailable.
        """
        from confluent_kafka.schema_registry.error import SchemaRegistryError
        from confluent_kafka.serialization import MessageField, SerializationContext

        context = SerializationContext(topic, MessageField.VALUE, list(headers))
        try:
            found = self._deserializer(payload, context)(payload, context)
        except (InvalidEvent, RegistryUnavailable):
            raise
        except SchemaRegistryError as error:
            raise self._refused(error) from error
        except Exception as error:
            if _is_outage(error):
                raise self._away(error) from error
            # Whatever else: what the bytes are decides it, and it would be the same next time.
            told = f"not as its schema says: {type(error).__name__}: {error}"
            raise InvalidEvent(Reason.UNDECODABLE, told[:_TOLD_CHARACTERS]) from error
        if not isinstance(found, Mapping):
            raise InvalidEvent(Reason.WRONG_TYPE, "the payload is no record")
        decoded: Mapping[str, Any] = plain(found)
        return decoded

    def _deserializer(self, payload: bytes, context: Any) -> Any:
        from confluent_kafka.schema_registry import dual_schema_id_deserializer
        from confluent_kafka.schema_registry.error import SchemaRegistryError
        from confluent_kafka.schema_registry.serde import SchemaId

        named = SchemaId("AVRO")
        dual_schema_id_deserializer(payload, context, named)
        key = str(named.guid if named.id is None else named.id)
        if self._unknown.get(key, 0.0) > time.monotonic():
            raise InvalidEvent(Reason.UNKNOWN_SCHEMA, f"the registry has no schema {key}")
        try:
            if named.id is not None:
                schema = self._client.get_schema(named.id)
            else:
                schema = self._client.get_schema_by_guid(key)
        except SchemaRegistryError as error:
            if error.http_status_code != _NOT_FOUND:
                raise
            self._unknown[key] = time.monotonic() + _UNKNOWN_FOR_SECONDS
            raise InvalidEvent(
                Reason.UNKNOWN_SCHEMA, f"the registry has no schema {key}"
            ) from error
        kind = schema.schema_type or "AVRO"
        if kind not in self._deserializers:
            raise InvalidEvent(
                Reason.UNDECODABLE, f"schema {key} is {kind}: Avro and JSON are read"
            )
        return self._deserializers[kind]

    def _refused(self, error: Any) -> InvalidEvent | RegistryUnavailable:
        status = error.http_status_code
        if status >= 500 or status in _OUTAGES:
            return self._away(error)
        return InvalidEvent(Reason.UNKNOWN_SCHEMA, f"the registry refuses the schema: {status}")

    def _away(self, error: Exception) -> RegistryUnavailable:
        return RegistryUnavailable(f"no schema registry answers at {self._url}: {error}")


def _client_options(settings: RegistrySettings) -> dict[str, Any]:
    options: dict[str, Any] = {
        "url": str(settings.url).rstrip("/"),
        "timeout": settings.timeout_seconds,
        "max.retries": 0,  # the consumer tries again, and says that it is not ready meanwhile
    }
    if settings.ssl_cafile is not None:
        options["ssl.ca.location"] = str(settings.ssl_cafile)
    if settings.username is not None and settings.password is not None:
        login = f"{settings.username}:{settings.password.get_secret_value()}"
        options["basic.auth.user.info"] = login
    return options


def _is_outage(error: Exception) -> bool:
    # By name: which HTTP library the client has depends on its version.
    transport = any(base.__name__ == "TransportError" for base in type(error).__mro__)
    return transport or isinstance(error, OSError)
