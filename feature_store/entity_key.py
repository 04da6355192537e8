"""Feast's binary key of an entity, as both online stores have it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Protocol

from feast.infra.key_encoding_utils import serialize_entity_key_prefix
from feast.protos.feast.types.Value_pb2 import ValueType

Key = tuple[str] | tuple[str, int] | tuple[int] | tuple[int, str]
"""The values of a view's entities, in the order of adloom's own names for them."""


_header = struct.Struct("<II")  # type, length
_text_header = _header.pack
_number = struct.Struct("<IIq").pack


class HasJoinKeys(Protocol):
    """A view: of adloom, or of Feast."""

    @property
    def join_keys(self) -> Sequence[str]:
        """In the order of `Key`."""


def entity_key_of(view: HasJoinKeys) -> Callable[[Key], bytes]:
    """The function that makes the keys of a view; equal to Feast's `serialize_entity_key`."""
    names = list(view.join_keys)
    prefix = serialize_entity_key_prefix(sorted(names))
    if len(names) == 1:
        return lambda key: prefix + _part(key[0])
    order = _places(names)
    if order == sorted(order):
        return lambda key: prefix + b"".join([_part(value) for value in key])
    return lambda key: prefix + b"".join([_part(key[place]) for place in order])


def _places(names: Sequence[str]) -> list[int]:
    """Which part of a key comes first, second, ...: Feast sorts them by name."""
    return sorted(range(len(names)), key=names.__getitem__)


def _part(value: str | int) -> bytes:
    if isinstance(value, int):
        return _number(ValueType.INT64, 8, value)
    encoded = value.encode()
    return _text_header(ValueType.STRING, len(encoded)) + encoded


def is_whole(values: bytes) -> bool:
    """Whether this is what follows the prefix of a key: values, each with its length."""
    at = 0
    while at + _header.size <= len(values):
        at += _header.size + _header.unpack_from(values, at)[1]
    return at == len(values)


def names_of(view: HasJoinKeys) -> Callable[[bytes], tuple[str | int, ...]]:
    """The function that tells the values in a key of a view."""
    keys = list(view.join_keys)
    start = len(serialize_entity_key_prefix(sorted(keys)))
    order = _places(keys)

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
        return tuple(values[order.index(place)] for place in range(len(values)))

    return names
