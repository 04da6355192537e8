"""Events of other versions of the schema, as events of this one.

A version is `major` or `"major.minor"`. A minor one only adds fields, which are kept as they are.
An older major one is brought up step by step. A newer one may mean something else by the same
name, so it is not guessed at.

| major | differs from the next in |
|---|---|
| 0 | `timestamp`: a number, milliseconds since 1970, instead of `ts` |
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

CURRENT = 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERSION = re.compile(r"(\d{1,9})(\.\d{1,9})?")


def upgrade(payload: bytes) -> bytes | None:
    """The payload as one of the current version; None when its version is none or a newer one.

    Args:
        payload: a JSON object with a version.
    """
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError):  # a number or a nesting that JSON allows and Python not
        return None
    major = _major(fields["version"])
    if major is None or major > CURRENT:
        return None
    for step in _STEPS[major:]:
        fields = step(fields)
    return json.dumps(fields | {"version": CURRENT}).encode()


def _major(version: Any) -> int | None:
    found = None
    if isinstance(version, (int, str)) and not isinstance(version, bool):
        found = _VERSION.fullmatch(str(version))
    return int(found[1]) if found else None


def _with_text_for_time(fields: dict[str, Any]) -> dict[str, Any]:
    """What is no moment is left as it is: the model names what is missing then."""
    told: Any = fields.get("timestamp")
    if isinstance(told, bool):  # which Python takes for 1 and 0
        return fields
    try:
        at = _EPOCH + timedelta(milliseconds=told)
    except (TypeError, ValueError, OverflowError):
        return fields
    rest = {name: value for name, value in fields.items() if name != "timestamp"}
    return rest | {"ts": at.isoformat()}


_STEPS: list[Callable[[dict[str, Any]], dict[str, Any]]] = [_with_text_for_time]
assert len(_STEPS) == CURRENT
