"""One store of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from adloom.loop.bench.redis_server import LocalRedis
from tests.feast_stores import by_feasts_sqlite, on_postgres
from tests.redis_nodes import RedisNodes


@pytest.fixture(params=["sqlite", "redis", "cluster", "postgres", "feast-sqlite"])
def online(request: pytest.FixtureRequest, tmp_path: Path) -> FeatureStoreSettings:
    """The last two are written by Feast."""
    if request.param == "postgres":
        return on_postgres(request.getfixturevalue("postgres").new_database())
    if request.param == "feast-sqlite":
        return by_feasts_sqlite(tmp_path)
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
