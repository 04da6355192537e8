"""Feast's binary key of an entity, as both online stores have it."""

from __future__ import annotations

import struct
from collections.abc import Callable

from feast import FeatureView
from feast.infra.key_encoding_utils import serialize_entity_key_prefix
from feast.protos.feast.types.Value_pb2 import ValueType

Key = tuple[str] | tuple[str, int] | tuple[int] | tuple[int, str]
"""The values of a view's entities, in the order of the view, which is by name."""


_header = struct.Struct("<II")  # type, length
_text_header = _header.pack
_number = struct.Struct("<IIq").pack


def entity_key_of(view: FeatureView) -> Callable[[Key], bytes]:
    """The function that makes the keys of a view; equal to Feast's `serialize_entity_key`."""
    assert view.join_keys == sorted(view.join_keys)
    prefix = serialize_entity_key_prefix(view.join_keys)
    if len(view.join_keys) == 1:
        return lambda key: prefix + _part(key[0])
    return lambda key: prefix + b"".join([_part(value) for value in key])


def _part(value: str | int) -> bytes:
    if isinstance(value, int):
        return _number(ValueType.INT64, 8, value)
    encoded = value.encode()
    return _text_header(ValueType.STRING, len(encoded)) + encoded


def names_of(view: FeatureView) -> Callable[[bytes], tuple[str | int, ...]]:
    """The function that tells the values in a key of a view."""
    start = len(serialize_entity_key_prefix(view.join_keys))

    def names(key: bytes) -> tuple[str | int, ...]:
        values: list[str | int] = []
        at = start
        while at < len(key):
            kind, length = _header.unpack_from(key, at)
            at += _header.size
            part = key[at : at + length]
            is_number = kind == ValueType.INT64
            values.append(
                int.from_bytes(part, "little", signed=True) if is_number else part.decode()
            )
            at += length
        return tuple(values)

    return names
