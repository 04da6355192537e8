"""Feast's Redis hashes: one for each entity, with the features of all its views as fields."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import mmh3
from feast import FeatureView
from feast.infra.key_encoding_utils import serialize_entity_key_prefix
from feast.infra.online_stores.redis import RedisOnlineStore
from google.protobuf.timestamp_pb2 import Timestamp
from redis import Redis, RedisError, WatchError
from redis.backoff import NoBackoff
from redis.retry import Retry

from adloom.feature_store.backend import Row, Rows, StoreUnavailable

_PATIENCE_SECONDS = 2.5
_KEYS_OF_ONE_READ = 5_000


class RedisBackend:
    """One Redis server; a batch is one MULTI ... EXEC."""

    def __init__(self, connection_string: str, project: str, views: Sequence[FeatureView]) -> None:
        """The string is Feast's: host:port[,option=...]."""
        nodes, options = RedisOnlineStore._parse_connection_string(connection_string)
        patience = {
            "socket_connect_timeout": _PATIENCE_SECONDS,
            "socket_timeout": _PATIENCE_SECONDS,
            "retry": Retry(NoBackoff(), 1),  # a server that came back; the callers know to wait
        }
        self._redis: Any = Redis(**(nodes[0] | patience | options))
        self._project = project.encode()
        self._views = {view.name: _Fields(view) for view in views}
        self._prefixes = {serialize_entity_key_prefix(view.join_keys) for view in views}

    def read(self, view: str, keys: Sequence[bytes]) -> list[Row]:
        fields = self._views[view]
        rows: list[Row] = []
        with _failures_told():
            for start in range(0, len(keys), _KEYS_OF_ONE_READ):
                with self._redis.pipeline(transaction=False) as pipe:
                    for key in keys[start : start + _KEYS_OF_ONE_READ]:
                        pipe.hmget(key + self._project, fields.names)
                    rows += map(fields.row, pipe.execute())
        return rows

    def write(self, rows: Rows, expected: Rows) -> bool:
        with _failures_told(), self._redis.pipeline(transaction=True) as pipe:
            if not all(self._still(pipe, view, known) for view, known in expected.items()):
                return False
            pipe.multi()
            stamp = Timestamp(seconds=int(time.time())).SerializeToString()
            for view, changed in rows.items():
                fields = self._views[view]
                for key, row in changed.items():
                    flat = fields.flat(row, stamp)
                    pipe.execute_command("HSET", key + self._project, *flat)
            try:
                pipe.execute()
            except WatchError:
                return False
        return True

    def clear(self) -> None:
        with _failures_told():
            for prefix in self._prefixes:
                keys = list(self._redis.scan_iter(prefix + b"*" + self._project, count=10_000))
                for start in range(0, len(keys), _KEYS_OF_ONE_READ):
                    self._redis.delete(*keys[start : start + _KEYS_OF_ONE_READ])

    def close(self) -> None:
        self._redis.close()

    def _still(self, pipe: Any, view: str, known: Mapping[bytes, Row]) -> bool:
        """From here on the transaction fails if one of these rows changes."""
        fields = self._views[view]
        pipe.watch(*(key + self._project for key in known))
        return all(
            fields.row(pipe.hmget(key + self._project, fields.names)) == row
            for key, row in known.items()
        )


class _Fields:
    """How the features of a view are named in a hash: Feast hashes the names."""

    def __init__(self, view: FeatureView) -> None:
        self._features = [feature.name for feature in view.features]
        self.names = [
            struct.pack("<I", mmh3.hash(f"{view.name}:{name}", signed=False))
            for name in self._features
        ]
        self._by_feature = dict(zip(self._features, self.names, strict=True))
        self._stamp = f"_ts:{view.name}".encode()

    def row(self, values: Sequence[bytes | None]) -> Row:
        pairs = zip(self._features, values, strict=True)
        return {name: value for name, value in pairs if value is not None}

    def flat(self, row: Row, stamp: bytes) -> list[bytes]:
        """Field, value, field, value, ..."""
        flat = [self._stamp, stamp]
        for name, value in row.items():
            flat += (self._by_feature[name], value)
        return flat


@contextmanager
def _failures_told() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise StoreUnavailable(f"the Redis online store cannot be used: {error}") from error
