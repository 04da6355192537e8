"""Requests with a deadline, to a cold pool and to a warm one."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import httpx

from tests.benchmarks.load_serve.levels import loaded
from tests.benchmarks.load_serve.running import Running, running_server
from tests.benchmarks.load_shoppers import (
    DEADLINE_VARIABLE,
    RATE_VARIABLE,
    WARM_VARIABLE,
    drawn_so_far,
    give_histories,
    warm_up,
)

_DEADLINE_MS = 150
_COLD_USERS, _COLD_MOST_SECONDS = 8, 0.2
_WARM_USERS, _WARM_RATE, _WARM_PRODUCTS = 16, 200.0, 8
_WARM_P99_SECONDS, _WARM_HELD = 0.05, 0.98


def pool_levels(seconds: int) -> int:
    """Prints both; 1 if an answer is late."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_server(folder, None) as server:
            url = server.url
            with httpx.Client(base_url=url, timeout=120) as client:
                give_histories(client)
            cold = _in_time(server, _COLD_USERS, seconds, folder, rate=1000.0, warm=0)
            with httpx.Client(base_url=url, timeout=120) as client:
                warm_up(client, _WARM_PRODUCTS)
            rate = _WARM_RATE / _WARM_USERS
            warm = _in_time(server, _WARM_USERS, seconds, folder, rate=rate, warm=_WARM_PRODUCTS)
    for one in (cold, warm):  # whoever is turned away got no ad
        one["errors"] += one.pop("turned_away_429")
    cold |= {"late": cold["max_seconds"] > _COLD_MOST_SECONDS}
    warm |= {"late": warm["p99_seconds"] > _WARM_P99_SECONDS}
    slow = warm["requests_per_second"] < _WARM_HELD * _WARM_RATE
    print(json.dumps({"seconds": seconds, "cold": cold, "warm": warm, "held": not slow}, indent=2))
    return int(slow or any(one["late"] or one["errors"] for one in (cold, warm)))


def _in_time(
    server: Running, users: int, seconds: int, folder: Path, *, rate: float, warm: int
) -> dict[str, Any]:
    told = {
        RATE_VARIABLE: str(rate),
        WARM_VARIABLE: str(warm),
        DEADLINE_VARIABLE: str(_DEADLINE_MS),
    }
    url, spent = server.url, server.cpu_seconds()
    with httpx.Client(base_url=url) as client:
        drew = drawn_so_far(client)
    level = loaded(url, users, seconds, folder, "pool_visitors", told)
    level["requests_per_second"] = level.pop("ads_per_second")
    level["cpu_milliseconds_per_request"] = {
        part: (now - spent[part]) * 1e3 / level["ads"] for part, now in server.cpu_seconds().items()
    }
    with httpx.Client(base_url=url) as client:
        level["drawn_behind_per_second"] = (drawn_so_far(client) - drew) / seconds
    for end in ("since", "until"):
        del level[end]
    return level
