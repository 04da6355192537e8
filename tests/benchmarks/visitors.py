"""A shop's visitors, for Locust: each asks for an ad again as soon as the last one is there.

`tests.benchmarks.load_serve` runs it. By hand, with Locust's own page:
`PYTHONPATH=. locust -f tests/benchmarks/visitors.py --host http://127.0.0.1:8000`.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

from locust import FastHttpUser, constant, events, task

from adloom.loop.demo.shop.catalog import load_catalog
from tests.benchmarks.load_shoppers import RESULT_VARIABLE, shoppers

_PRODUCTS = list(load_catalog())
EXTRA: dict[str, Any] = {}
"""What else is written with the result."""


class Visitor(FastHttpUser):
    """Asks for one of the shoppers and one of the products, at random."""

    wait_time = constant(0)
    network_timeout = 120.0

    @task
    def see_an_ad(self) -> None:
        body = {"user_id": random.choice(shoppers()), "product_id": random.choice(_PRODUCTS)}
        with self.client.post("/v1/ads", json=body, catch_response=True) as answer:
            if answer.status_code != 200:
                answer.failure(f"status {answer.status_code}")
            elif not answer.json()["personalised"]:
                answer.failure("not personalised")


@events.quitting.add_listener
def write_result(environment: Any, **_: Any) -> None:
    """Leaves what was measured as JSON; latencies in seconds, rounded as Locust does."""
    total = environment.stats.total
    failures = {str(error.error): error.occurrences for error in environment.stats.errors.values()}
    turned_away = sum(n for message, n in failures.items() if "status 429" in message)
    result = {
        "ads_per_second": total.total_rps - total.total_fail_per_sec,
        **{
            f"p{share * 100:.0f}_seconds": total.get_response_time_percentile(share) / 1e3
            for share in (0.5, 0.95, 0.99)
        },
        "max_seconds": total.max_response_time / 1e3,
        "ads": total.num_requests - total.num_failures,
        "turned_away_429": turned_away,
        "errors": total.num_failures - turned_away,
        "failures": failures,
        **EXTRA,
    }
    if RESULT_VARIABLE in os.environ:
        Path(os.environ[RESULT_VARIABLE]).write_text(json.dumps(result))
