"""Redis nodes that fail in the midst of the stream: nothing is lost, nothing counts twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from adloom.feature_store.backend import StoreUnfit
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from adloom.loop.bench.redis_server import RedisUnavailable
from adloom.stream.consumer import EventConsumer
from adloom.stream.settings import KafkaSettings
from tests.redis_nodes import RedisNodes, WatchedRedis, running_cluster, running_sentinels
from tests.rough_traffic import RoughTraffic
from tests.sample_events import logged

pytestmark = pytest.mark.slow

_PATIENCE_SECONDS = 120.0
_EVENTS = 3_000


@pytest.fixture(params=[0, 1], ids=["no replicas", "a replica each"])
def cluster(request: pytest.FixtureRequest) -> Iterator[RedisNodes]:
    try:
        with running_cluster(primaries=3, replicas=request.param) as nodes:
            yield nodes
    except RedisUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def watched() -> Iterator[WatchedRedis]:
    try:
        with running_sentinels() as servers:
            yield servers
    except RedisUnavailable as error:
        pytest.skip(str(error))


def survives(
    kafka: KafkaSettings,
    settings: FeatureStoreSettings,
    home: Path,
    fail: Callable[[], None],
    mend: Callable[[], None],
) -> None:
    """Consume rough traffic, the half of it after something failed."""
    kafka = kafka.model_copy(update={"max_batch": 100})
    traffic = RoughTraffic(seed=5, astray=0.02)
    with FeatureStore.open(settings, home) as store, EventConsumer(kafka, store) as consumer:
        stop = threading.Event()
        running = threading.Thread(target=consumer.run, args=(stop,))
        running.start()
        try:
            traffic.send(kafka, _EVENTS)
            wait_until(lambda: consumer.counts.consumed > _EVENTS // 4)
            fail()
            traffic.send(kafka, _EVENTS)
            mend()
            wait_until(lambda: traffic.logged_once(store) and consumer.lag == 0)
        finally:
            stop.set()
            running.join()
        assert traffic.found(store) == traffic.expected()
        store.ping()
    with FeatureStore.open(settings, home) as later:
        assert traffic.found(later) == traffic.expected()


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_cluster_of_which_a_node_is_killed(
    cluster: RedisNodes, local_kafka: KafkaSettings, tmp_path: Path
) -> None:
    settings = FeatureStoreSettings(
        online="redis", redis_mode="cluster", redis_url=SecretStr(cluster.url)
    )
    node = cluster.primaries()[1]
    alone = len(cluster.nodes) == len(cluster.primaries())

    def mend() -> None:
        if alone:  # nobody takes its slots over
            node.start()

    survives(local_kafka, settings, tmp_path, node.kill, mend)
    assert len(cluster.primaries()) == 3


def test_a_master_of_which_sentinels_make_another(
    watched: WatchedRedis, local_kafka: KafkaSettings, tmp_path: Path
) -> None:
    settings = FeatureStoreSettings(
        online="redis",
        redis_mode="sentinel",
        sentinel_master=watched.name,
        sentinel_password=SecretStr(watched.password),
        redis_url=SecretStr(watched.url),
    )
    with FeatureStore.open(settings, tmp_path) as store:
        name = store.name()
        store.apply([logged(0, 0)])
        read = store.feast.get_online_features(["user_stats:clicks"], [{"user_id": "ann"}])
        assert read.to_dict()["clicks"] == [1]  # Feast's own client asks the Sentinels, too
        store.clear()
    for password in (None, SecretStr("other")):
        wrong = settings.model_copy(update={"sentinel_password": password})
        with pytest.raises(StoreUnfit, match="Sentinels refuse the login"):
            FeatureStore.open(wrong, tmp_path)
    survives(local_kafka, settings, tmp_path, watched.master.kill, lambda: None)
    assert watched.replica.client().info("replication")["role"] == "master"
    with FeatureStore.open(settings, tmp_path) as store:
        assert store.name() == name  # its group takes it for the same store
