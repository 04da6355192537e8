"""Consumers killed at any point: in the end every history and every count is right.

`pytest tests/stream/test_crash.py --kills 50` does it with 100,000 events.
"""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event as Signal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from adloom.loop.bench.redis_server import LocalRedis
from adloom.stream.consumer import EventConsumer
from adloom.stream.settings import KafkaSettings
from tests.rough_traffic import RoughTraffic

_PATIENCE_SECONDS = 90.0
_EVENTS_A_KILL = 2_000
_EMPTY_POLLS = 20
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["adloom.stream.consumer"])


def consume_for_ever(
    kafka: KafkaSettings, settings: FeatureStoreSettings, home: Path, began: Signal
) -> None:
    with FeatureStore.open(settings, home) as store, EventConsumer(kafka, store) as consumer:
        read: Callable[..., Any] = consumer._read

        def tell_and_read(*args: Any) -> Any:
            began.set()
            return read(*args)

        setattr(consumer, "_read", tell_and_read)  # noqa: B010
        while True:
            consumer.poll()


def kill_in_the_middle(rng: random.Random, *args: Any) -> None:
    began = _processes.Event()
    consumer = _processes.Process(target=consume_for_ever, args=(*args, began))
    consumer.start()
    assert began.wait(_PATIENCE_SECONDS)
    time.sleep(rng.uniform(0, 0.15))
    consumer.kill()
    consumer.join()


def finish(kafka: KafkaSettings, store: FeatureStore, traffic: RoughTraffic) -> None:
    """Take what is left: until a member that has its partitions finds nothing, again and again.

    A full log alone says too little: a consumer that was killed may have logged a batch and not
    have written its features.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with EventConsumer(kafka, store) as consumer:
        empty = 0
        while empty < _EMPTY_POLLS or not traffic.logged_once(store):
            assert time.monotonic() < deadline
            taken = consumer.poll()
            empty = 0 if taken or not consumer.has_partitions else empty + 1


@pytest.mark.timeout(3_000)
@pytest.mark.parametrize("online", ["sqlite", "redis"])
def test_kill_9_at_any_point_changes_nothing(
    online: str, kafka: KafkaSettings, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    settings = FeatureStoreSettings()
    if online == "redis":
        redis: LocalRedis = request.getfixturevalue("redis")
        settings = FeatureStoreSettings(online="redis", redis_url=SecretStr(redis.url))
    kafka = kafka.model_copy(update={"max_batch": 200})
    kills = request.config.getoption("kills")
    traffic, rng = RoughTraffic(seed=kills), random.Random(kills)
    with FeatureStore.open(settings, tmp_path) as store:
        store.clear()
        for _ in range(kills):
            traffic.send(kafka, _EVENTS_A_KILL)
            kill_in_the_middle(rng, kafka, settings, tmp_path)
        finish(kafka, store, traffic)
        assert traffic.poison > 0
        assert traffic.found(store) == traffic.expected()
