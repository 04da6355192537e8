"""The same hashes in a Redis Cluster, where a step spans one key.

So rows are written one by one, each only while it is as its writer knows it, and each tells how far
the stream is in it (`adloom.feature_store.marks`): a batch that was cut off comes again and changes
nothing twice. Progress is written last, when the rows are on a replica of each node that has any:
a node that fails over loses nothing that progress tells of.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from adloom.feature_store.backend import NONE_GONE, Gone, Known, Row, Rows, StoreUnavailable
from adloom.feature_store.redis_store.backend import RedisBackend, stamp_of_now
from adloom.feature_store.redis_store.errors import failures_told

_log = logging.getLogger(__name__)

_REPLICA_MILLISECONDS = 2_000
_ROWS_AT_ONCE = 2_000
# Sets fields unless some are not as they should be. Arguments: how many are compared, each with its
# value ("" = there is none), then field, value, field, value, ... Returns 1 where it did.
_PUT = """
local compared = tonumber(ARGV[1])
for at = 2, 2 * compared, 2 do
  if (redis.call('HGET', KEYS[1], ARGV[at]) or '') ~= ARGV[at + 1] then return 0 end
end
redis.call('HSET', KEYS[1], unpack(ARGV, 2 * compared + 2))
return 1
"""
_ORDER = ("user_events", "user_stats", "user_history", "user_impressions", "item_stats")
"""Pages are told of by users, users say which events count, and progress, last, tells of all."""


class ClusterBackend(RedisBackend):
    """A step is one row: whoever writes a batch has to be able to write it again."""

    spread = True

    def write(
        self, rows: Rows, known: Known, cached: Callable[[], Known], gone: Gone = NONE_GONE
    ) -> Known:
        expected, touched = {**known, **cached()}, list[bytes]()
        with self._told():
            for view in _ORDER:
                changed = rows.get(view, {})
                if found := self._put_rows(view, changed, expected.get(view, {})):
                    return {view: found, **self._differing(known)}  # or is all of it older?
                touched += changed
            self._wait_for_replicas(touched)
            for view in rows.keys() - set(_ORDER):
                if found := self._put_rows(view, rows[view], expected.get(view, {})):
                    return {view: found}
                self._wait_for_replicas(list(rows[view]))
            for view, keys in gone.items():
                for key in keys:
                    self._redis.hdel(key + self._project, *self._views[view].all)
                self._wait_for_replicas(list(keys))
        return {}

    @contextmanager
    def _told(self, *, at_start: bool = False) -> Iterator[None]:
        """After a failure the cluster is asked anew which nodes it has."""
        try:
            with failures_told(at_start=at_start):
                yield
        except StoreUnavailable:
            self._redis = self._connect()
            raise

    def _servers(self) -> list[Any]:
        return [self._redis.get_redis_connection(node) for node in self._redis.get_primaries()]

    def check(self) -> None:
        looked = self._looked
        super().check()
        if not looked:
            self._tell_what_a_node_would_lose()

    def _tell_what_a_node_would_lose(self) -> None:
        with self._told():
            told = [server.info() for server in self._servers()]
        alone = [one for one in told if not one["connected_slaves"] and not one["aof_enabled"]]
        if alone:
            _log.warning(
                "%d of %d nodes of the Redis cluster have neither a replica nor an append-only "
                "file: what one that fails took since its last snapshot is lost (adloom features "
                "check finds it); set appendonly yes, or add replicas",
                len(alone),
                len(told),
            )

    def _tell_strangers(self) -> None:
        """A cluster has one database: others have to go elsewhere."""
        found = {server.randomkey() for server in self._servers() for _ in range(50)} - {None}
        strange = [key for key in found if self._name.encode() not in key]
        if strange:
            _log.warning(
                "the Redis cluster has keys that are not adloom's, such as %r: rows of features "
                "that get lost beside them are not noticed by their number",
                strange[0][:40],
            )

    def _put_rows(
        self, view: str, rows: Mapping[bytes, Row], expected: Mapping[bytes, Row | Any]
    ) -> dict[bytes, dict[str, bytes | None]]:
        """Writes rows that are as expected; gives what others have."""
        found: dict[bytes, dict[str, bytes | None]] = {}
        stamp, fields = stamp_of_now(), self._views[view]
        for keys in _some(list(rows)):
            with self._redis.pipeline(transaction=False) as pipe:
                for key in keys:
                    compared = expected.get(key, {})
                    names = fields.only(list(compared)).names if compared else []
                    pairs = zip(names, (value or b"" for value in compared.values()), strict=True)
                    flat = [part for pair in pairs for part in pair]
                    values = fields.flat(rows[key], stamp)
                    pipe.execute_command(
                        "EVAL", _PUT, 1, key + self._project, len(names), *flat, *values
                    )
                answers = pipe.execute()
            others = [key for key, done in zip(keys, answers, strict=True) if not done]
            if others:
                stored = self._read(others, fields)
                found |= {
                    key: {name: row.get(name) for name in expected.get(key, {})}
                    for key, row in zip(others, stored, strict=True)
                }
        return found

    def _wait_for_replicas(self, keys: Sequence[bytes]) -> None:
        """Until every node of these keys has brought what it took to one replica, if it has any."""
        nodes = {
            node.name: node
            for node in (self._redis.get_node_from_key(key + self._project) for key in keys)
        }
        for node in nodes.values():
            server = self._redis.get_redis_connection(node)
            if not server.role()[2]:
                continue
            with server.pipeline(transaction=False) as pipe:
                pipe.ping()  # after it this connection has seen all that was written before
                pipe.wait(1, _REPLICA_MILLISECONDS)
                reached = pipe.execute()[-1]
            if not reached:
                raise StoreUnavailable(
                    f"no replica of the Redis node {node.name} takes what is written: features "
                    "would be lost with the node"
                )


def _some(keys: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(keys), _ROWS_AT_ONCE):
        yield keys[start : start + _ROWS_AT_ONCE]
