"""Ids as few bytes: a UUID is 16 of them, and not the 36 letters that it is written with."""

from __future__ import annotations

import re
from uuid import UUID

_TEXT, _DASHED, _PLAIN = b"\x00", b"\x01", b"\x02"
_TAGS = (_TEXT, _DASHED, _PLAIN)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}")
_DASHED_LETTERS = 36


def packed(text: str) -> bytes:
    """17 bytes for a UUID in small letters, with dashes or without; else the text in UTF-8."""
    if _UUID.fullmatch(text):
        tag = _DASHED if len(text) == _DASHED_LETTERS else _PLAIN
        return tag + bytes.fromhex(text.replace("-", ""))
    encoded = text.encode()
    return _TEXT + encoded if encoded.startswith(_TAGS) else encoded


def unpacked(content: bytes) -> str:
    """The text that was packed."""
    tag, rest = content[:1], content[1:]
    if tag == _DASHED:
        return str(UUID(bytes=rest))
    if tag == _PLAIN:
        return rest.hex()
    return (rest if tag == _TEXT else content).decode()
