"""Hashes as names: SHA-256 in hexadecimal digits."""

from __future__ import annotations

import hashlib

_DIGITS = 64


def text_hash(text: str) -> str:
    """The hash of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def is_hash(name: str) -> bool:
    """Whether a name is such a hash: nothing else that a request tells becomes a path."""
    return len(name) == _DIGITS and all(character in "0123456789abcdef" for character in name)
