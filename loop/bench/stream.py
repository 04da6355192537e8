"""Events a second from broker to readable feature, beside two baselines in the same run.

The fast one only polls Kafka and decodes JSON; the slow one calls Feast's `push` for every event.
Both read the same events from the same broker as adloom's consumer does: that of the settings, or
one of the benchmark's own.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from kafka import KafkaConsumer, TopicPartition
from pydantic import SecretStr

from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from adloom.loop.bench.push import Pushing, push_rate
from adloom.loop.bench.redis_server import RedisUnavailable, running_redis
from adloom.loop.bench.topics import BenchTopics, bench_topics
from adloom.loop.bench.workload import Users, Workload, produce, produce_steadily
from adloom.stream.consumer import EventConsumer
from adloom.stream.settings import KafkaSettings
from adloom.stream.settled_memory import settled_memory
from adloom.stream.topics import event_topics

_PATIENCE_SECONDS = 60.0
_OURS = ",db=1"
"""Of Redis' databases: what is pushed lies in the first."""
_WARM_UP_SECONDS = 2.0


def bench_stream(kafka: KafkaSettings | None = None, *, quick: bool = False) -> dict[str, Any]:
    """Runs the whole benchmark; minutes, or about one with `quick`.

    Topics and groups are new, and removed after. Raises BrokerUnavailable, KafkaRefused.

    Rates are events a second, the median of the repetitions; ratios are adloom's rate by the
    baseline's, repetition by repetition. What needs Redis is null where it is not installed.
    """
    events, pushes, repeats = (25_000, 100, 1) if quick else (200_000, 500, 3)
    with ExitStack() as parts:
        topics = parts.enter_context(bench_topics(kafka or KafkaSettings()))
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory()))
        stores = {"sqlite": FeatureStoreSettings()}
        problem = None
        try:
            redis = parts.enter_context(running_redis())
            stores["redis"] = FeatureStoreSettings(
                online="redis", redis_url=SecretStr(redis.url + _OURS)
            )
        except RedisUnavailable as error:
            problem = str(error)
        bench = _Bench(topics, folder, stores)
        shapes: dict[Users, _Rates] = {
            users: bench.against_polling(users, events, repeats) for users in ("zipf", "uniform")
        }
        pushed = {name: bench.against_push(name, events, pushes, repeats) for name in stores}
        peak = statistics.median(shapes["zipf"]["adloom"])
        fresh = bench.freshness(peak / 2, seconds=3 if quick else 30)
    return {
        "broker": topics.broker,
        "ratio_to_polling": {users: _ratio(rates, "polling") for users, rates in shapes.items()},
        "ratio_to_push": {"redis": None}
        | {name: _ratio(rates, "push") for name, rates in pushed.items()},
        "events_per_second": {
            f"{name}_{who}": statistics.median(rates)
            for name, found in (shapes | pushed).items()
            for who, rates in found.items()
        },
        **fresh,
        "events": events,
        "redis_missing": problem,
    }


_Rates = dict[str, list[float]]


def _ratio(rates: _Rates, baseline: str) -> float:
    pairs = zip(rates["adloom"], rates[baseline], strict=True)
    return statistics.median(ours / theirs for ours, theirs in pairs)


class _Bench:
    def __init__(
        self, topics: BenchTopics, folder: Path, stores: dict[str, FeatureStoreSettings]
    ) -> None:
        self._topics = topics
        self._folder = folder
        self._stores = stores

    def against_polling(self, users: Users, events: int, repeats: int) -> _Rates:
        rates: _Rates = {"polling": [], "adloom": []}
        kafka = self._topics.new_topics()
        produce(kafka, Workload(users), events)
        for _ in range(repeats):
            rates["polling"].append(_polling_rate(kafka, events))
            rates["adloom"].append(self._consuming_rate(kafka, "sqlite", events))
        return rates

    def against_push(self, store: str, events: int, pushes: int, repeats: int) -> _Rates:
        rates: _Rates = {"push": [], "adloom": []}
        kafka = self._topics.new_topics()
        produce(kafka, Workload("zipf"), events)
        feast, places = self._feast_settings(store), _partitions(kafka)
        for _ in range(repeats):
            folder = str(self._new_folder())
            pushing = Pushing(kafka.client_options(), places, pushes, feast, folder)
            rates["push"].append(push_rate(pushing, _PATIENCE_SECONDS))
            rates["adloom"].append(self._consuming_rate(kafka, store, events))
        return rates

    def freshness(self, rate: float, seconds: float) -> dict[str, float]:
        """From the moment of an event to its place in the features, under a steady load."""
        kafka = self._topics.new_topics()
        count = int(rate * seconds)
        processes = multiprocessing.get_context("spawn")
        start = processes.Barrier(2)
        with self._store("sqlite") as store, _Watched(kafka, store) as consumer:
            load = processes.Process(
                target=produce_steadily, args=(kafka, Workload("zipf"), rate, count, start)
            )
            load.start()
            while not consumer.has_partitions:
                consumer.poll()
            with settled_memory():
                start.wait(_PATIENCE_SECONDS * 2)
                _until(consumer.poll, lambda: len(consumer.waits) >= count)
            load.join()
        waits = np.array(consumer.waits[int(rate * _WARM_UP_SECONDS) :])
        return {
            "freshness_p50_seconds": float(np.quantile(waits, 0.5)),
            "freshness_p99_seconds": float(np.quantile(waits, 0.99)),
            "freshness_load_per_second": rate,
        }

    def _consuming_rate(self, kafka: KafkaSettings, store: str, events: int) -> float:
        again = self._topics.new_group(kafka)
        with (
            self._store(store) as features,
            EventConsumer(again, features) as consumer,
            settled_memory(),
        ):
            return _rate(consumer.poll, events)

    @contextmanager
    def _store(self, name: str) -> Iterator[FeatureStore]:
        with FeatureStore.open(self._stores[name], self._new_folder()) as store:
            store.clear()
            yield store

    def _feast_settings(self, store: str) -> dict[str, Any]:
        url = self._stores[store].redis_url
        if url is not None:
            first = url.get_secret_value().removesuffix(_OURS)
            return {"type": "redis", "connection_string": first}
        return {"type": "sqlite", "path": str(self._folder / "textbook.db")}

    def _new_folder(self) -> Path:
        return self._folder / uuid.uuid4().hex


class _Watched(EventConsumer):
    """Notes how long each event took from its own moment to the online store."""

    waits: list[float]

    def __init__(self, kafka: KafkaSettings, store: FeatureStore) -> None:
        super().__init__(kafka, store)
        self.waits = []

    def _update_features(self, batch: Any) -> int:
        rows = super()._update_features(batch)
        now = time.time()
        self.waits += [now - event.ts.timestamp() for event in batch.events]
        return rows


def _rate(poll: Callable[[], int], events: int) -> float:
    """Events a second after the first batch, which also waits for the group and the fetches."""
    seen = _until(poll, lambda: True)
    first, started = seen, time.perf_counter()
    while seen < events:
        seen += poll()
    return (seen - first) / (time.perf_counter() - started)


def _until(poll: Callable[[], int], done: Callable[[], bool]) -> int:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    seen = 0
    while not (seen and done()):
        found = poll()
        seen += found
        if found:
            deadline = time.monotonic() + _PATIENCE_SECONDS
        elif time.monotonic() > deadline:
            raise TimeoutError("the broker gave no more events")
    return seen


def _partitions(kafka: KafkaSettings) -> list[tuple[str, int]]:
    topics = event_topics(kafka)
    assert all(len(kinds) == 1 for kinds in topics.values())
    return [(topic, number) for topic in topics for number in range(kafka.partitions)]


@contextmanager
def _plain_consumer(kafka: KafkaSettings) -> Iterator[KafkaConsumer]:
    consumer = KafkaConsumer(**kafka.client_options(), max_poll_records=kafka.max_batch)
    consumer.assign([TopicPartition(*place) for place in _partitions(kafka)])
    consumer.seek_to_beginning()
    yield consumer
    consumer.close()


def _polling_rate(kafka: KafkaSettings, events: int) -> float:
    with _plain_consumer(kafka) as consumer:

        def poll() -> int:
            batches = consumer.poll(timeout_ms=200)
            return len([json.loads(record.value) for part in batches.values() for record in part])

        with _without_adlooms_objects():
            return _rate(poll, events)


@contextmanager
def _without_adlooms_objects() -> Iterator[None]:
    """What adloom has loaded, a process that only polls would not look through for garbage."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
