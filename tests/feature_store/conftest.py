"""One store of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from adloom.loop.bench.redis_server import LocalRedis
from tests.redis_nodes import RedisNodes


@pytest.fixture(params=["sqlite", "redis", "cluster"])
def online(request: pytest.FixtureRequest) -> FeatureStoreSettings:
    if request.param == "cluster":
        cluster: RedisNodes = request.getfixturevalue("redis_cluster")
        return FeatureStoreSettings(
            online="redis", redis_mode="cluster", redis_url=SecretStr(cluster.url)
        )
    if request.param == "redis":
        redis: LocalRedis = request.getfixturevalue("redis")
        return FeatureStoreSettings(online="redis", redis_url=SecretStr(redis.url))
    return FeatureStoreSettings()


@pytest.fixture
def store(online: FeatureStoreSettings, tmp_path: Path) -> Iterator[FeatureStore]:
    with FeatureStore.open(online, tmp_path / "features") as opened:
        opened.clear()  # the server is shared
        yield opened
        opened.clear()
