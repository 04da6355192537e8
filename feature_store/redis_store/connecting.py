"""Clients for the Redis of the settings, and the same told to Feast."""

from __future__ import annotations

import inspect
import json
from typing import Any

from redis import Redis, RedisCluster
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.cluster import ClusterNode
from redis.retry import Retry
from redis.sentinel import Sentinel

from adloom.feature_store.backend import StoreUnfit
from adloom.feature_store.redis_address import redis_nodes, redis_options, sentinel_login
from adloom.feature_store.settings import FeatureStoreSettings

PATIENCE_SECONDS = 2.5
_CLUSTER_TRIES = 3
_FEASTS_OPTIONS = {"skip_full_coverage_check"}
_FEASTS_TYPES = {"single": "redis", "cluster": "redis_cluster", "sentinel": "redis_sentinel"}


def feast_config(settings: FeatureStoreSettings) -> dict[str, Any]:
    """What Feast's own client needs for the same Redis."""
    options = redis_options(settings)
    words = [f"{host}:{port}" for host, port in redis_nodes(settings)]
    if login := sentinel_login(settings):
        options = {**options, "sentinel_kwargs": login}
    words += [f"{name}={json.dumps(value)}" for name, value in options.items()]
    config = {
        "type": "redis",
        "redis_type": _FEASTS_TYPES[settings.redis_mode],
        "connection_string": ",".join(words),
    }
    if settings.sentinel_master is not None:
        config["sentinel_master"] = settings.sentinel_master
    return config


def connected(settings: FeatureStoreSettings) -> Any:
    """A client; it asks nothing before it is used. Raises StoreUnfit."""
    if settings.redis_ca_file is not None and not settings.redis_ca_file.is_file():
        raise StoreUnfit(f"features.redis_ca_file: there is no file {settings.redis_ca_file}")
    nodes, options = redis_nodes(settings), redis_options(settings)
    patience = {
        "socket_connect_timeout": PATIENCE_SECONDS,
        "socket_timeout": PATIENCE_SECONDS,
    }
    host, port = nodes[0]
    _refuse_unknown(options)
    if settings.redis_mode == "cluster":
        options = {"require_full_coverage": False, **options}  # what is there is read
        return _LateCluster(nodes, patience | options)
    again = Retry(NoBackoff(), 1)  # a server that came back; the callers know to wait
    if settings.redis_mode == "sentinel":
        # One Sentinel that is away, or refuses, is no reason to wait: the others are asked.
        asking = patience | sentinel_login(settings) | {"retry": Retry(NoBackoff(), 0)}
        watching = Sentinel(nodes, sentinel_kwargs=asking, **(patience | options))
        return watching.master_for(settings.sentinel_master, retry=again)
    return Redis(host, port, **(patience | {"retry": again} | options))


def _refuse_unknown(options: dict[str, Any]) -> None:
    known = {**inspect.signature(Redis).parameters, **inspect.signature(RedisCluster).parameters}
    strange = options.keys() - known.keys() - _FEASTS_OPTIONS
    if strange:
        raise StoreUnfit(f"features.redis_url has an option that Redis has not: {min(strange)}")


class _LateCluster:
    """A client of a cluster, which its library connects when it is made, made when it is used."""

    def __init__(self, nodes: list[tuple[str, int]], options: dict[str, Any]) -> None:
        self._nodes, self._options = nodes, options
        self._client: RedisCluster | None = None

    def __getattr__(self, name: str) -> Any:
        if self._client is None:
            self._client = RedisCluster(
                startup_nodes=[ClusterNode(host, port) for host, port in self._nodes],
                retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), _CLUSTER_TRIES),
                **self._options,
            )
        return getattr(self._client, name)

    def close(self) -> None:
        """Lets the connections go, if there are any."""
        if self._client is not None:
            self._client.close()
