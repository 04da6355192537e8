"""Values of typed formats, as JSON has them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

_EXACT = Decimal(10**38)


def plain(value: Any) -> Any:
    """Moments as ISO 8601, decimals as numbers, bytes as base64, and so on inside of lists."""
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value) if isinstance(value, UUID) else value


def _number(value: Decimal) -> int | float:
    whole = value.is_finite() and abs(value) < _EXACT and value == int(value)
    return int(value) if whole else float(value)
