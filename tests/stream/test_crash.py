"""Consumers killed at any point: in the end every history and every count is right.

`pytest -m "" tests/stream/test_crash.py --kills 50` does it with 100,000 events and every store; on
a Kafka cluster with ADLOOM_TEST_KAFKA=host:port before it.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from adloom.loop.bench.redis_server import LocalRedis
from adloom.stream.consumer import EventConsumer
from adloom.stream.settings import KafkaSettings
from tests.feast_stores import by_feasts_sqlite, on_postgres
from tests.redis_nodes import RedisNodes
from tests.rough_traffic import RoughTraffic
from tests.world.member_process import MemberProcess

_PATIENCE_SECONDS = 90.0
_EVENTS_A_KILL = 2_000
_EMPTY_POLLS = 20


def kill_in_the_middle(
    rng: random.Random, kafka: KafkaSettings, settings: FeatureStoreSettings, home: Path
) -> None:
    member = MemberProcess(kafka, settings, home)
    member.wait_until_it_writes()
    time.sleep(rng.uniform(0, 0.15))
    member.kill()


def finish(kafka: KafkaSettings, store: FeatureStore, traffic: RoughTraffic) -> None:
    """Take what is left: until a member that has its partitions finds nothing, again and again.

    A full log alone says too little: a consumer that was killed may have logged a batch and not
    have written its features. Patience is with a member that takes nothing.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with EventConsumer(kafka, store) as consumer:
        empty = 0
        while empty < _EMPTY_POLLS or not traffic.logged_once(store):
            assert time.monotonic() < deadline
            taken = consumer.poll()
            if taken:
                deadline = time.monotonic() + _PATIENCE_SECONDS
            empty = 0 if taken or not consumer.has_partitions else empty + 1


@pytest.mark.timeout(3_000)
@pytest.mark.parametrize(
    "online",
    [
        *("sqlite", "redis", "cluster"),
        *(pytest.param(store, marks=pytest.mark.long) for store in ("postgres", "feast-sqlite")),
    ],
)
def test_kill_9_at_any_point_changes_nothing(
    online: str, kafka: KafkaSettings, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    settings = FeatureStoreSettings()
    if online == "redis":
        redis: LocalRedis = request.getfixturevalue("redis")
        settings = FeatureStoreSettings(online="redis", redis_url=SecretStr(redis.url))
    elif online == "cluster":
        cluster: RedisNodes = request.getfixturevalue("redis_cluster")
        settings = FeatureStoreSettings(
            online="redis", redis_mode="cluster", redis_url=SecretStr(cluster.url)
        )
    elif online == "postgres":
        settings = on_postgres(request.getfixturevalue("postgres").new_database())
    elif online == "feast-sqlite":
        settings = by_feasts_sqlite(tmp_path)
    kafka = kafka.model_copy(update={"max_batch": 200})
    kills = request.config.getoption("kills")
    traffic, rng = RoughTraffic(seed=kills, astray=0.02), random.Random(kills)
    with FeatureStore.open(settings, tmp_path) as store:
        store.clear()
        for _ in range(kills):
            traffic.send(kafka, _EVENTS_A_KILL)
            kill_in_the_middle(rng, kafka, settings, tmp_path)
        finish(kafka, store, traffic)
        assert traffic.poison > 0
        assert traffic.found(store) == traffic.expected()
