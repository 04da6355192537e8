"""Bytes that a user with a full history takes in Redis: `python -m tests.benchmarks.redis_bytes`.

Every user clicks 256 ads of adloom's own and sees as many more. What is told is Redis' own
MEMORY USAGE of all keys, by what they hold, and of the whole server, a user.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from redis import Redis

from adloom.feature_store.event_log import LoggedEvent
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from adloom.loop.bench.redis_server import running_redis

_CLICKS = 256
_ITEMS = 1_000
_KEYS = ("item_id", "page", "user_id")
_USERS_AT_ONCE = 10
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Prints JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--seen", type=int, default=0, help="features.impressions_length")
    given = parser.parse_args()
    users = given.users
    with running_redis() as server, tempfile.TemporaryDirectory() as folder:
        settings = FeatureStoreSettings(
            online="redis", redis_url=SecretStr(server.url), impressions_length=given.seen
        )
        host, _, port = server.url.partition(":")
        redis: Any = Redis(host=host, port=int(port))
        empty = redis.info("memory")["used_memory"]
        with FeatureStore.open(settings, Path(folder)) as store:
            fill(store, users)
        print(json.dumps(measured(redis, users, empty), indent=2))


def fill(store: FeatureStore, users: int) -> None:
    """So many users with full histories."""
    rng = random.Random(7)
    offset = 0
    for first in range(0, users, _USERS_AT_ONCE):
        names = [f"user-{n:08d}" for n in range(first, min(users, first + _USERS_AT_ONCE))]
        events = []
        for _ in range(_CLICKS):
            for name in names:
                for kind in ("impression", "click"):
                    events.append(
                        LoggedEvent(
                            kind=kind,
                            event_id=f"{name}-{offset}",
                            ts=_BEGIN
                            + timedelta(milliseconds=1_000 * offset + rng.randrange(1_000)),
                            user_id=name,
                            item_id=f"item-{rng.randrange(_ITEMS):06d}",
                            topic=f"bench.{kind}s",
                            partition=0,
                            offset=offset,
                            topic_id="bench",
                            ad_id=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
                        )
                    )
                    offset += 1
        store.apply(events)


def measured(redis: Any, users: int, empty: int) -> dict[str, Any]:
    """Bytes a user, by what keys hold."""
    by_kind = Counter[str]()
    for key in redis.scan_iter(count=10_000):
        kind = next(
            (name for name in ("item_id", "page", "user_id") if name.encode() in key), "rest"
        )
        by_kind[kind] += redis.memory_usage(key, samples=0)
    return {
        "users": users,
        "bytes_a_user": {
            "row": by_kind["user_id"] / users,
            "pages": by_kind["page"] / users,
            "both": (by_kind["user_id"] + by_kind["page"]) / users,
        },
        "server_bytes_a_user": (redis.info("memory")["used_memory"] - empty) / users,
    }


if __name__ == "__main__":
    main()
