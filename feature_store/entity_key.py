"""Feast's binary key of an entity, as both online stores have it."""

from __future__ import annotations

import struct
from collections.abc import Callable

from feast import FeatureView
from feast.infra.key_encoding_utils import serialize_entity_key_prefix
from feast.protos.feast.types.Value_pb2 import ValueType

Key = tuple[str] | tuple[str, int] | tuple[int] | tuple[int, str]
"""The values of a view's entities, in the order of the view, which is by name."""


_text_header = struct.Struct("<II").pack
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
