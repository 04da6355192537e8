"""The shoppers that the load test asks ads for, and their clicks, by the public API alone."""

from __future__ import annotations

import random
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx

from adloom.loop.demo.shop.catalog import load_catalog

RATE_VARIABLE, WARM_VARIABLE, DEADLINE_VARIABLE = "LOAD_RATE", "LOAD_WARM", "LOAD_DEADLINE_MS"
"""Of `tests.benchmarks.pool_visitors`: requests a second of each, products with a warm pool."""
RESULT_VARIABLE = "LOAD_RESULT"
"""Names the file that the visitors write what was measured to."""
_SHOPPERS = 32
_ADS = 24
_CLICKS = 10
_AT_ONCE = 8
_PATIENCE_SECONDS = 60.0
_WARM_SECONDS = 600.0
_SETTLING_SECONDS = 3.0  # what was asked for last is drawn meanwhile


def shoppers() -> list[str]:
    """Their ids."""
    return [f"load-{number:02d}" for number in range(_SHOPPERS)]


def give_histories(client: httpx.Client) -> None:
    """Draws some ads and lets every shopper click ten of them.

    Raises TimeoutError when the server does not know of the clicks after a minute.
    """
    rng = random.Random(0)
    products = rng.sample(list(load_catalog()), _ADS)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        ads = list(pool.map(lambda product: _ad(client, "load-painter", product), products))
    for user in shoppers():
        clicks = [
            {
                "event_id": str(uuid.uuid4()),
                "ts": datetime.now(UTC).isoformat(),
                "user_id": user,
                "item_id": ad["product_id"],
                "ad_id": ad["ad_id"],
            }
            for ad in rng.sample(ads, _CLICKS)
        ]
        client.post("/v1/events", json={"clicks": clicks}).raise_for_status()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    for user in shoppers()[-2:]:
        while len(_ad(client, user, products[0])["history"]) < _CLICKS:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the clicks of {user} did not reach the server")


def _ad(client: httpx.Client, user: str, product: str) -> Any:
    body = {"user_id": user, "product_id": product}
    return client.post("/v1/ads", json=body).raise_for_status().json()


def warm_up(client: httpx.Client, products: int) -> None:
    """Ask for every shopper and the first products until nothing more is drawn for them.

    Raises TimeoutError when that takes more than ten minutes.
    """
    names = list(load_catalog())[:products]
    deadline, before = time.monotonic() + _WARM_SECONDS, -1.0
    while True:
        sources = {_in_time(client, user, name) for user in shoppers() for name in names}
        time.sleep(_SETTLING_SECONDS)
        if sources == {"pool"} and drawn_so_far(client) == before:
            return
        before = drawn_so_far(client)
        if time.monotonic() > deadline:
            raise TimeoutError("the pool has not what suits all shoppers yet")


def drawn_so_far(client: httpx.Client) -> float:
    """Ads that the server has drawn."""
    for line in client.get("/metrics").text.splitlines():
        if line.startswith("adloom_ad_seconds_count"):
            return float(line.split()[-1])
    return 0.0


def _in_time(client: httpx.Client, user: str, product: str) -> str:
    """Where an answer came from."""
    body = {"user_id": user, "product_id": product, "deadline_ms": 100}
    return str(client.post("/v1/ads", json=body).raise_for_status().json()["source"])
