"""Visitors for Locust who ask with a deadline, so many times a second whatever the answers take.

Most ask for products whose pool is warm; the others keep the server drawing behind.
`tests.benchmarks.load_serve --pool` runs it.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter

from locust import FastHttpUser, constant_throughput, task

from adloom.loop.demo.shop.catalog import load_catalog
from tests.benchmarks.load_shoppers import DEADLINE_VARIABLE, RATE_VARIABLE, WARM_VARIABLE, shoppers
from tests.benchmarks.visitors import EXTRA, write_result

__all__ = ["PoolVisitor", "write_result"]

_PRODUCTS = list(load_catalog())
_WARM = _PRODUCTS[: int(os.environ.get(WARM_VARIABLE, "0"))]
_COLD = _PRODUCTS[len(_WARM) :]
_ASKS_WARM = 0.95 if _WARM else 0.0
_RATE = float(os.environ.get(RATE_VARIABLE, "1"))  # requests a second of each
_DEADLINE_MS = int(os.environ.get(DEADLINE_VARIABLE, "150"))
_SOURCES: Counter[str] = EXTRA.setdefault("sources", Counter())


class PoolVisitor(FastHttpUser):
    """One of the shoppers, at random."""

    wait_time = constant_throughput(_RATE)
    network_timeout = 30.0

    def on_start(self) -> None:
        """At a moment of its own: all that Locust starts at once would ask at once, for ever."""
        time.sleep(random.random() / _RATE)

    @task
    def see_an_ad(self) -> None:
        warm = random.random() < _ASKS_WARM
        body = {
            "user_id": random.choice(shoppers()),
            "product_id": random.choice(_WARM if warm else _COLD),
            "deadline_ms": _DEADLINE_MS,
        }
        with self.client.post("/v1/ads", json=body, catch_response=True) as answer:
            if answer.status_code != 200:
                answer.failure(f"status {answer.status_code}")
            else:
                _SOURCES[answer.json()["source"]] += 1
