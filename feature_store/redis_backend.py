"""Feast's Redis hashes: one for each entity, with the features of all its views as fields."""

from __future__ import annotations

import contextlib
import logging
import struct
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import mmh3
from feast import FeatureView
from feast.infra.key_encoding_utils import serialize_entity_key_prefix
from google.protobuf.timestamp_pb2 import Timestamp
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from adloom.feature_store.backend import (
    Known,
    Row,
    Rows,
    StoreUnavailable,
    StoreUnfit,
    differing,
)
from adloom.feature_store.naming import Name
from adloom.feature_store.redis_address import redis_options
from adloom.feature_store.redis_swap import STAGED, batched_keys, finish_swap, staging, swap

_log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 2.5
_KEYS_OF_ONE_READ = 5_000
_KEYS_LOOKED_AT = 200
_NAME_BYTES = 40
# The first key is a flag that stands while a transaction runs in which something was found
# otherwise: what follows in it then writes nothing. (WATCH takes a time that is quadratic in keys.)
#
# Which keys do not have these values in these fields. Arguments: how many fields, their names, and
# the values of each key; "" = there is none.
_COMPARE = """
local fields, others = tonumber(ARGV[1]), {}
local names = {unpack(ARGV, 2, fields + 1)}
for place = 2, #KEYS do
  local stored = redis.call('HMGET', KEYS[place], unpack(names))
  for field = 1, fields do
    if (stored[field] or '') ~= ARGV[1 + (place - 1) * fields + field] then
      others[#others + 1] = place - 2
      break
    end
  end
end
if #others > 0 then redis.call('SET', KEYS[1], '', 'EX', 60) end
return others
"""
# Arguments: for each key how many follow, and then field, value, field, value, ...
_WRITE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return end
local at = 1
for place = 2, #KEYS do
  local count = tonumber(ARGV[at])
  redis.call('HSET', KEYS[place], unpack(ARGV, at + 1, at + count))
  at = at + 1 + count
end
"""


_Expected = Mapping[bytes, Mapping[str, bytes | None]]
_Asked = tuple[str, _Expected, list[bytes]]


class RedisBackend:
    """One Redis server; a batch is one MULTI ... EXEC."""

    def __init__(self, connection_string: str, project: str, views: Sequence[FeatureView]) -> None:
        """The string is Feast's: host:port[,option=...]."""
        patience: dict[str, Any] = {
            "socket_connect_timeout": _PATIENCE_SECONDS,
            "socket_timeout": _PATIENCE_SECONDS,
            "retry": Retry(NoBackoff(), 1),  # a server that came back; the callers know to wait
        }
        self._redis: Any = Redis(**(patience | redis_options(connection_string)))
        self._compare = self._redis.register_script(_COMPARE)
        self._write = self._redis.register_script(_WRITE)
        self._connection_string, self._view_list = connection_string, views
        self._name, self._project = project, project.encode()
        self._looked = False
        self._is_staged = project.endswith(STAGED)
        self._views = {view.name: _Fields(view) for view in views}
        self._prefixes = {view.name: serialize_entity_key_prefix(view.join_keys) for view in views}

    def check(self) -> None:
        with _failures_told():
            policy = self._redis.info("memory").get("maxmemory_policy", "noeviction")
            finish_swap(self._redis, self._name)
            if not self._looked:
                self._tell_strangers()
        if policy.startswith("allkeys"):
            raise StoreUnfit(
                f"Redis would throw features away when its memory is full: its maxmemory-policy "
                f"is {policy}; set it to noeviction"
            )

    def _tell_strangers(self) -> None:
        """Lost rows are missed by the number of keys: those of others would stand for them."""
        self._looked = True
        with self._redis.pipeline(transaction=False) as pipe:
            for _ in range(_KEYS_LOOKED_AT):
                pipe.randomkey()
            found = set(pipe.execute()) - {None}
        strange = [key for key in found if self._name.encode() not in key]
        if strange:
            _log.warning(
                "the Redis database has keys that are not adloom's, such as %r: rows of features "
                "that get lost beside them are not noticed; give features a database of their "
                "own, such as host:port,db=1",
                strange[0][:_NAME_BYTES],
            )

    def name(self) -> Name:
        with _failures_told():  # of the server itself: it has many addresses
            server, client = self._redis.info("server"), self._redis.client_info()
        key = f"{server['run_id']}-{client['db']}"
        return Name(key, f"Redis {client['laddr']}, database {client['db']}")

    def read(self, view: str, keys: Sequence[bytes]) -> list[Row]:
        with _failures_told():
            return self._read(keys, self._views[view])

    def write(self, rows: Rows, known: Known, cached: Callable[[], Known]) -> Known:
        flag = f"{self._name}.refused.{uuid.uuid4().hex}".encode()
        asked: list[_Asked] = []
        stamp = Timestamp(seconds=int(time.time())).SerializeToString()
        with _failures_told(), self._redis.pipeline(transaction=True) as pipe:
            for view, expected in {**known, **cached()}.items():
                for part in _parts(expected):
                    asked.append((view, expected, part))
                    self._ask(pipe, flag, view, expected, part)
            for view, changed in rows.items():
                for part in _parts(changed):
                    self._put(pipe, flag, view, changed, part, stamp)
            pipe.delete(flag)
            answers = pipe.execute()[: len(asked)]
            return self._found(asked, answers)

    def rows(self, view: str) -> Iterator[tuple[bytes, Row]]:
        with _failures_told():
            for keys in batched_keys(self._redis, self._prefixes[view], self._project):
                ours = [key.removesuffix(self._project) for key in keys]
                found = zip(ours, self.read(view, ours), strict=True)
                yield from ((key, row) for key, row in found if row)

    def entities(self) -> int | None:
        with _failures_told():
            return int(self._redis.dbsize())

    def beside(self) -> Self:
        with _failures_told():
            finish_swap(self._redis, self._name)  # before its keys are cleared
        beside = type(self)(self._connection_string, staging(self._name), self._view_list)
        beside.clear()
        return beside

    def replace(self, beside: Self, known: Known) -> bool:
        with _failures_told():
            if self._differing(known):
                return False
            beside._is_staged = False  # from here on its keys are those of the swap
            swap(self._redis, self._name, set(self._prefixes.values()))
        return True

    def clear(self) -> None:
        with _failures_told():
            for prefix in set(self._prefixes.values()):
                for keys in batched_keys(self._redis, prefix, self._project):
                    self._redis.delete(*keys)

    def close(self) -> None:
        if self._is_staged:
            with contextlib.suppress(StoreUnavailable):
                self.clear()
        self._redis.close()

    def _ask(
        self,
        pipe: Any,
        flag: bytes,
        view: str,
        expected: _Expected,
        keys: list[bytes],
    ) -> None:
        names = list(next(iter(expected.values())))
        values = [expected[key][name] or b"" for key in keys for name in names]
        fields = self._views[view].only(names)
        self._compare(
            keys=[flag, *(key + self._project for key in keys)],
            args=[len(names), *fields.names, *values],
            client=pipe,
        )

    def _put(
        self,
        pipe: Any,
        flag: bytes,
        view: str,
        rows: Mapping[bytes, Row],
        keys: list[bytes],
        stamp: bytes,
    ) -> None:
        fields, flat = self._views[view], list[int | bytes]()
        for key in keys:
            values = fields.flat(rows[key], stamp)
            flat.append(len(values))
            flat += values
        self._write(keys=[flag, *(key + self._project for key in keys)], args=flat, client=pipe)

    def _found(self, asked: Sequence[_Asked], answers: Sequence[Sequence[int]]) -> Known:
        """What the store has now of the rows that were otherwise, or still are."""
        found: dict[str, dict[bytes, dict[str, bytes | None]]] = {}
        for (view, expected, keys), others in zip(asked, answers, strict=True):
            changed = [keys[place] for place in others]
            if changed:
                names = list(expected[changed[0]])
                stored = self._read(changed, self._views[view].only(names))
                found.setdefault(view, {}).update(
                    (key, {name: row.get(name) for name in names})
                    for key, row in zip(changed, stored, strict=True)
                )
        return found

    def _differing(self, known: Known) -> Known:
        """Of what is known, the values that the store has otherwise."""
        found = {}
        for view, rows in known.items():
            names = list(next(iter(rows.values())))
            stored = self._read(list(rows), self._views[view].only(names))
            if others := differing(rows, stored):
                found[view] = others
        return found

    def _read(self, keys: Sequence[bytes], fields: _Fields) -> list[Row]:
        rows: list[Row] = []
        for start in range(0, len(keys), _KEYS_OF_ONE_READ):
            with self._redis.pipeline(transaction=False) as pipe:
                for key in keys[start : start + _KEYS_OF_ONE_READ]:
                    pipe.hmget(key + self._project, fields.names)
                rows += map(fields.row, pipe.execute())
        return rows


class _Fields:
    """How the features of a view are named in a hash: Feast hashes the names."""

    def __init__(self, view: FeatureView, features: Sequence[str] = ()) -> None:
        self._view = view
        self._features = list(features) or [feature.name for feature in view.features]
        self.names = [
            struct.pack("<I", mmh3.hash(f"{view.name}:{name}", signed=False))
            for name in self._features
        ]
        self._by_feature = dict(zip(self._features, self.names, strict=True))
        self._stamp = f"_ts:{view.name}".encode()

    def only(self, features: Sequence[str]) -> _Fields:
        """Some of the features."""
        return _Fields(self._view, features)

    def row(self, values: Sequence[bytes | None]) -> Row:
        pairs = zip(self._features, values, strict=True)
        return {name: value for name, value in pairs if value is not None}

    def flat(self, row: Row, stamp: bytes) -> list[bytes]:
        """Field, value, field, value, ..."""
        flat = [self._stamp, stamp]
        for name, value in row.items():
            flat += (self._by_feature[name], value)
        return flat


def _parts(keys: Collection[bytes]) -> Iterator[list[bytes]]:
    ordered = list(keys)
    for start in range(0, len(ordered), _KEYS_OF_ONE_READ):
        yield ordered[start : start + _KEYS_OF_ONE_READ]


@contextmanager
def _failures_told() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise StoreUnavailable(f"the Redis online store cannot be used: {error}") from error
