"""Who reviews: the key that they have, and the name that they give themselves."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import Header
from pydantic import StringConstraints

from adloom.stream.events import NO_NUL

Person = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=NO_NUL)
]
_DIGITS = 6


def key_name(x_api_key: Annotated[str | None, Header(max_length=256)] = None) -> str:
    """Of a key what tells it from others and gives nothing of it away; "" without one."""
    if not x_api_key:
        return ""
    return f"key {hashlib.sha256(x_api_key.encode()).hexdigest()[:_DIGITS]}"


def reviewer(person: str | None, key: str) -> str:
    """Who did something, as a history has it."""
    if person and key:
        return f"{person} ({key})"
    return person or key or "somebody without a key"
