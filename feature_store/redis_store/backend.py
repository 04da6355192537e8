"""Feast's Redis hashes: one for each entity, with the features of all its views as fields.

Here on one server, whose transactions span all rows; `cluster` is the same on many.
"""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import chain
from typing import Any, Self

from feast.infra.key_encoding_utils import serialize_entity_key_prefix
from google.protobuf.timestamp_pb2 import Timestamp

from adloom.feature_store.backend import (
    NONE_GONE,
    Gone,
    Known,
    Row,
    Rows,
    StoreUnavailable,
    StoreUnfit,
    differing,
)
from adloom.feature_store.layout import Layout
from adloom.feature_store.naming import Name
from adloom.feature_store.redis_store.errors import failures_told
from adloom.feature_store.redis_store.fields import Fields
from adloom.feature_store.redis_store.scripts import COMPARE, REMOVE, WRITE
from adloom.feature_store.redis_store.swap import STAGED, Swap, batched_keys, delete_fields, staging

_log = logging.getLogger(__name__)

_KEYS_OF_ONE_READ = 5_000
_KEYS_LOOKED_AT = 200
_NAME_BYTES = 40


_Expected = Mapping[bytes, Mapping[str, bytes | None]]
_Asked = tuple[str, _Expected, list[bytes]]


class RedisBackend:
    """One Redis server; a batch is one MULTI ... EXEC."""

    deletes = True

    spread = False
    """Whether keys lie on several nodes."""

    def __init__(
        self, connect: Callable[[], Any], project: str, layout: Layout, *, moves: bool = False
    ) -> None:
        """Connect to nothing yet.

        Args:
            moves: whether other servers take over its work, which are the same store then.
        """
        self.layout = layout
        self._connect, self._moves = connect, moves
        self._redis: Any = connect()
        self._name, self._project = project, project.encode()
        self._mark = f"{project}.name".encode()
        self._looked = False
        self._is_staged = project.endswith(STAGED)
        views = layout.views.values()
        self._views = {view.name: Fields(view) for view in views}
        self._prefixes = {
            view.name: serialize_entity_key_prefix(sorted(view.join_keys)) for view in views
        }
        self._all_fields = list(
            chain.from_iterable((*fields.names, fields.stamp) for fields in self._views.values())
        )

    def check(self) -> None:
        with self._told(at_start=True):
            for server in self._servers():
                self._check_server(server)
            self._swap.finish()
            if not self._looked:
                self._looked = True
                self._tell_strangers()

    def _told(self, *, at_start: bool = False) -> AbstractContextManager[None]:
        return failures_told(at_start=at_start)

    def _servers(self) -> list[Any]:
        """A client for each server that takes writes."""
        return [self._redis]

    def _check_server(self, server: Any) -> None:
        told = server.info()
        if told.get("redis_mode") == "sentinel":
            raise StoreUnfit(
                "redis_url names a Sentinel: set features.redis_mode = 'sentinel' and "
                "features.sentinel_master"
            )
        if told.get("cluster_enabled") and not self.spread:
            raise StoreUnfit(
                "this Redis is a node of a cluster: set features.redis_mode = 'cluster' "
                "(redis_url may name several of its nodes)"
            )
        policy = told.get("maxmemory_policy", "noeviction")
        if policy.startswith("allkeys"):
            raise StoreUnfit(
                f"Redis would throw features away when its memory is full: its maxmemory-policy "
                f"is {policy}; set it to noeviction"
            )

    def _tell_strangers(self) -> None:
        """Lost rows are missed by the number of keys: those of others would stand for them."""
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
        with self._told():  # of the server itself: it has many addresses
            if self._moves:
                return self._marked_name()
            server, client = self._redis.info("server"), self._redis.client_info()
        key = f"{server['run_id']}-{client['db']}"
        return Name(key, f"Redis {client['laddr']}, database {client['db']}")

    def _marked_name(self) -> Name:
        """Kept with the rows: other servers take over their work."""
        self._redis.set(self._mark, uuid.uuid4().hex, nx=True)
        key = self._redis.get(self._mark).decode()
        return Name(key, f"Redis, marked {key[:8]}")

    def read(self, view: str, keys: Sequence[bytes]) -> list[Row]:
        with self._told():
            return self._read(keys, self._views[view])

    def write(
        self, rows: Rows, known: Known, cached: Callable[[], Known], gone: Gone = NONE_GONE
    ) -> Known:
        flag = f"{self._name}.refused.{uuid.uuid4().hex}".encode()
        asked: list[_Asked] = []
        stamp = stamp_of_now()
        with self._told(), self._redis.pipeline(transaction=True) as pipe:
            compare, put = pipe.register_script(COMPARE), pipe.register_script(WRITE)
            for view, expected in {**known, **cached()}.items():
                for part in _parts(expected):
                    asked.append((view, expected, part))
                    self._ask(compare, flag, view, expected, part)
            for view, changed in rows.items():
                for part in _parts(changed):
                    self._put(put, flag, view, changed, part, stamp)
            remove = pipe.register_script(REMOVE)
            for view, lost in gone.items():
                for part in _parts(lost):
                    keys = [flag, *(key + self._project for key in part)]
                    remove(keys=keys, args=self._views[view].all)
            pipe.delete(flag)
            answers = pipe.execute()[: len(asked)]
            return self._found(asked, answers)

    def rows(self, view: str) -> Iterator[tuple[bytes, Row]]:
        with self._told():
            for keys in batched_keys(self._redis, self._prefixes[view], self._project):
                ours = [key.removesuffix(self._project) for key in keys]
                found = zip(ours, self.read(view, ours), strict=True)
                yield from ((key, row) for key, row in found if row)

    def entities(self) -> int | None:
        with self._told():
            keys = sum(int(server.dbsize()) for server in self._servers())
            return keys - int(self._moves and self._redis.exists(self._mark))

    def beside(self) -> Self:
        with self._told():
            self._swap.finish()  # before its rows are cleared
        beside = type(self)(self._connect, staging(self._name), self.layout, moves=self._moves)
        beside.clear()
        return beside

    def replace(self, beside: Self, known: Known) -> bool:
        with self._told():
            if self._differing(known):
                return False
            beside._is_staged = False  # from here on its keys are those of the swap
            self._swap.begin(set(self._prefixes.values()))
        return True

    def clear(self) -> None:
        with self._told():
            for prefix in set(self._prefixes.values()):
                for keys in batched_keys(self._redis, prefix, self._project):
                    delete_fields(self._redis, keys, self._all_fields)

    def scrub(self) -> None:
        """Redis keeps its files itself: see its own settings of snapshots and AOF."""

    def close(self) -> None:
        if self._is_staged:
            with contextlib.suppress(StoreUnavailable):
                self.clear()
        self._redis.close()

    @property
    def _swap(self) -> Swap:
        return Swap(self._redis, self._name, self._all_fields, self.spread)

    def _ask(
        self, compare: Any, flag: bytes, view: str, expected: _Expected, keys: list[bytes]
    ) -> None:
        names = list(next(iter(expected.values())))
        values = [expected[key][name] or b"" for key in keys for name in names]
        fields = self._views[view].only(names)
        compare(
            keys=[flag, *(key + self._project for key in keys)],
            args=[len(names), *fields.names, *values],
        )

    def _put(
        self,
        put: Any,
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
        put(keys=[flag, *(key + self._project for key in keys)], args=flat)

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

    def _read(self, keys: Sequence[bytes], fields: Fields) -> list[Row]:
        rows: list[Row] = []
        for start in range(0, len(keys), _KEYS_OF_ONE_READ):
            with self._redis.pipeline(transaction=False) as pipe:
                for key in keys[start : start + _KEYS_OF_ONE_READ]:
                    pipe.hmget(key + self._project, fields.names)
                rows += map(fields.row, pipe.execute())
        return rows


def stamp_of_now() -> bytes:
    """Feast's time of a row."""
    return Timestamp(seconds=int(time.time())).SerializeToString()


def _parts(keys: Collection[bytes]) -> Iterator[list[bytes]]:
    ordered = list(keys)
    for start in range(0, len(ordered), _KEYS_OF_ONE_READ):
        yield ordered[start : start + _KEYS_OF_ONE_READ]
