"""Visitors for Locust who ask with a deadline, so many times a second whatever the answers take.

Most ask for products whose pool is warm; the others keep the server drawing behind.
`tests.benchmarks.load_serve --pool` runs it.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter

from locust import FastHttpUser, task

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

    network_timeout = 30.0

    def on_start(self) -> None:
        self._due = time.monotonic()

    def wait_time(self) -> float:
        """Until the next arrival of a Poisson process; none where the last answer took longer.

        At even steps all would ask at the same moment for ever, once an answer kept them all.
        """
        self._due += random.expovariate(_RATE)
        return max(0.0, self._due - time.monotonic())

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
