"""Staged rows take the place of a project's rows, so that a cut-off swap can be finished.

Redis changes one key at a time. While rows move, a marker says how far it is: old rows that have
no successor go first, then every staged row takes the place of its own. Either step can be done
again. Others may keep features of the same entities in the same hashes: only adloom's fields go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from adloom.feature_store.backend import StoreUnavailable
from adloom.feature_store.entity_key import is_whole

STAGED = ".staged"
_KEYS_AT_ONCE = 5_000
# A staged hash gives its fields to the hash it stands for, and goes; nothing where it is gone.
# Arguments: the fields that go before.
_MOVE = """
local staged = redis.call('HGETALL', KEYS[1])
if #staged == 0 then return end
redis.call('HDEL', KEYS[2], unpack(ARGV))
redis.call('HSET', KEYS[2], unpack(staged))
redis.call('DEL', KEYS[1])
"""
# The same of one key, where the two lie on different nodes. First is how many fields go.
_PUT = """
local gone = tonumber(ARGV[1])
redis.call('HDEL', KEYS[1], unpack(ARGV, 2, gone + 1))
redis.call('HSET', KEYS[1], unpack(ARGV, gone + 2))
"""
_TURN_SECONDS = 5  # of some thousand keys
_ELSEWHERE = "another process finishes a rebuild of the online features"


def staging(project: str) -> str:
    """The project whose rows may take the place of another's."""
    return project + STAGED


class Swap:
    """The swap of a project's rows.

    Args:
        fields: all that adloom has in hashes.
        spread: whether keys lie on several nodes, which no step can span. Then one process at a
            time moves them.
    """

    def __init__(self, redis: Any, project: str, fields: Sequence[bytes], spread: bool) -> None:
        self._redis, self._fields, self._spread = redis, fields, spread
        self._ours, self._staged = project.encode(), staging(project).encode()
        self._marker = f"{project}.swap".encode()

    def begin(self, prefixes: Collection[bytes]) -> None:
        """Puts the staged rows in the place of all that the project has.

        Args:
            prefixes: how keys of adloom's entities begin.
        """
        self._redis.hset(self._marker + b".prefixes", mapping=dict.fromkeys(prefixes, b""))
        self._redis.set(self._marker, b"delete")
        self.finish()

    def finish(self) -> None:
        """Finishes a swap that was cut off; does nothing where there is none.

        Raises StoreUnavailable where another process is at it.
        """
        if self._redis.get(self._marker) is None:
            return
        if not self._spread:
            self._finish()
            return
        turn = self._marker + b".turn"
        if not self._redis.set(turn, b"", nx=True, ex=_TURN_SECONDS):
            raise StoreUnavailable(_ELSEWHERE)
        self._finish()
        self._redis.delete(turn)

    def _finish(self) -> None:
        step, prefixes = (
            self._redis.get(self._marker),
            self._redis.hkeys(self._marker + b".prefixes"),
        )
        if step == b"delete":
            for prefix in prefixes:
                for keys in batched_keys(self._redis, prefix, self._ours):
                    self._delete_without_successor(keys)
            self._redis.set(self._marker, b"rename")
        for prefix in prefixes:
            for keys in batched_keys(self._redis, prefix, self._staged):
                if self._spread:
                    self._keep_turn()
                    self._put(keys)
                else:
                    self._move(keys)
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.delete(self._marker)
            pipe.delete(self._marker + b".prefixes")
            pipe.execute()

    def _delete_without_successor(self, keys: list[bytes]) -> None:
        with self._redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.exists(key.removesuffix(self._ours) + self._staged)
            found = pipe.execute()
        gone = [key for key, there in zip(keys, found, strict=True) if not there]
        if gone:
            delete_fields(self._redis, gone, self._fields)

    def _move(self, keys: list[bytes]) -> None:
        with self._redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.execute_command("EVAL", _MOVE, 2, key, self._own(key), *self._fields)
            pipe.execute()

    def _keep_turn(self) -> None:
        if not self._redis.expire(self._marker + b".turn", _TURN_SECONDS):
            raise StoreUnavailable(_ELSEWHERE)

    def _own(self, staged: bytes) -> bytes:
        return staged.removesuffix(self._staged) + self._ours

    def _put(self, keys: list[bytes]) -> None:
        with self._redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hgetall(key)
            rows = pipe.execute()
        with self._redis.pipeline(transaction=False) as pipe:
            for key, row in zip(keys, rows, strict=True):
                if row:
                    target = self._own(key)
                    flat = [part for pair in row.items() for part in pair]
                    pipe.execute_command(
                        "EVAL", _PUT, 1, target, len(self._fields), *self._fields, *flat
                    )
            pipe.execute()
        with self._redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.delete(key)
            pipe.execute()


def batched_keys(redis: Any, prefix: bytes, project: bytes) -> Iterator[list[bytes]]:
    """The keys of a project's entities, some thousand at a time."""
    keys = []
    for key in redis.scan_iter(_literal(prefix) + b"*" + _literal(project), count=10_000):
        if not is_whole(key[len(prefix) : -len(project)]):
            continue  # of a project whose name ends as this one's does
        keys.append(key)
        if len(keys) == _KEYS_AT_ONCE:
            yield keys
            keys = []
    if keys:
        yield keys


def delete_fields(redis: Any, keys: Sequence[bytes], fields: Sequence[bytes]) -> None:
    """Takes adloom's fields out of hashes; a hash without any is gone."""
    with redis.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.hdel(key, *fields)
        pipe.execute()


def _literal(text: bytes) -> bytes:
    """For SCAN's patterns, which know * ? [ and backslash."""
    return b"".join(b"\\" + bytes([c]) if c in b"*?[\\" else bytes([c]) for c in text)
