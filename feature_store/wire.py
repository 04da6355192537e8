"""Feast values as the protobuf bytes that the online stores keep, without objects on the way.

A list is the bytes of its elements one after the other, so a history grows by appending, and is
written by a header before bytes that are there already. The message is `feast.types.Value`; the
tests read these bytes back by Feast itself.
"""

from __future__ import annotations

# Field number << 3 | wire type (0 = varint, 2 = length and bytes).
_BYTES = b"\x0a"  # Value.bytes_val = 1
_STRING = b"\x12"  # Value.string_val = 2
_INT64 = b"\x20"  # Value.int64_val = 4
_BYTES_LIST = b"\x5a"  # Value.bytes_list_val = 11
_STRING_LIST = b"\x62"  # Value.string_list_val = 12
_INT64_LIST = b"\x72"  # Value.int64_list_val = 14
_ELEMENTS = b"\x0a"  # of StringList and BytesList val = 1, one; of Int64List all

_MORE = 0x80  # set in all bytes of a varint but the last


def varint(number: int) -> bytes:
    """A number from 0 to 2**63 - 1, seven bits a byte, lowest first."""
    if number < _MORE:
        return bytes((number,))
    encoded = bytearray()
    while number >= _MORE:
        encoded.append(number & 0x7F | _MORE)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def int64_value(number: int) -> bytes:
    """A whole number, not negative."""
    return _INT64 + varint(number)


def string_value(text: str) -> bytes:
    """A text."""
    return _sized(_STRING, text.encode())


def bytes_value(content: bytes | bytearray) -> bytes:
    """Bytes."""
    return _sized(_BYTES, content)


def string_element(text: str) -> bytes:
    """One text of a list."""
    return _sized(_ELEMENTS, text.encode())


def bytes_element(content: bytes) -> bytes:
    """One element of a list of bytes."""
    return _sized(_ELEMENTS, content)


def bytes_list_value(elements: bytes | bytearray) -> bytes:
    """A list of bytes, each by `bytes_element`."""
    return _sized(_BYTES_LIST, elements)


def string_list_value(elements: bytes | bytearray) -> bytes:
    """A list of texts, each by `string_element`."""
    return _sized(_STRING_LIST, elements)


def int64_list_value(elements: bytes | bytearray) -> bytes:
    """A list of numbers, each by `varint`."""
    return _sized(_INT64_LIST, _sized(_ELEMENTS, elements) if elements else b"")


def drop_first_element(elements: bytearray) -> None:
    """Takes the first text, or the first bytes, off a list."""
    length, start = _length(elements, len(_ELEMENTS))
    del elements[: start + length]


def drop_first_varint(elements: bytearray) -> None:
    """Takes the first number off a list."""
    _, end = _length(elements, 0)
    del elements[:end]


def int64_elements(message: bytes) -> bytearray:
    """The elements of a serialised `Int64List`."""
    if not message:
        return bytearray()
    _, start = _length(message, len(_ELEMENTS))
    return bytearray(message[start:])


def _sized(tag: bytes, content: bytes | bytearray) -> bytes:
    return tag + varint(len(content)) + content


def _length(encoded: bytes | bytearray, at: int) -> tuple[int, int]:
    """The varint at a place, and the place after it."""
    number = shift = 0
    while encoded[at] & _MORE:
        number |= (encoded[at] & 0x7F) << shift
        shift += 7
        at += 1
    return number | encoded[at] << shift, at + 1
