"""Feast's form of a Redis address, host:port[,option=value...], taken apart."""

from __future__ import annotations

import json
from typing import Any


def redis_options(address: str) -> dict[str, Any]:
    """What a client of the first server is made with: host, port and the options as they stand."""
    parts = address.split(",")
    host, _, port = next(part for part in parts if "=" not in part).partition(":")
    options: dict[str, Any] = {"host": host, "port": port}
    for part in parts:
        name, sign, value = part.partition("=")
        if sign:
            options[name] = _value(value)
    return options


def _value(text: str) -> Any:
    """As Feast reads it: JSON where it is, such as true and 0; else the text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
