"""Keys of one project in Redis in the place of another's, so that a cut-off swap can be finished.

Redis renames one key at a time. While the keys move, a marker says how far it is: old keys that
have no successor go first, then every staged key takes the place of its own. Either step can be
done again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

STAGED = ".staged"
_KEYS_AT_ONCE = 5_000


def staging(project: str) -> str:
    """The project whose keys may take the place of another's."""
    return project + STAGED


def swap(redis: Any, project: str, prefixes: Collection[bytes]) -> None:
    """Puts the staged keys in the place of all that the project has."""
    redis.hset(_marker(project) + b".prefixes", mapping=dict.fromkeys(prefixes, b""))
    redis.set(_marker(project), b"delete")
    finish_swap(redis, project)


def finish_swap(redis: Any, project: str) -> None:
    """Finishes a swap that was cut off; does nothing where there is none."""
    ours, staged = project.encode(), staging(project).encode()
    step = redis.get(_marker(project))
    if step is None:
        return
    prefixes = redis.hkeys(_marker(project) + b".prefixes")
    if step == b"delete":
        for prefix in prefixes:
            for keys in batched_keys(redis, prefix, ours):
                _delete_without_successor(redis, keys, ours, staged)
        redis.set(_marker(project), b"rename")
    for prefix in prefixes:
        for keys in batched_keys(redis, prefix, staged):
            with redis.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.rename(key, key.removesuffix(staged) + ours)
                pipe.execute(raise_on_error=False)  # another process may finish it too
    redis.delete(_marker(project), _marker(project) + b".prefixes")


def batched_keys(redis: Any, prefix: bytes, project: bytes) -> Iterator[list[bytes]]:
    """The keys of a project's entities, some thousand at a time."""
    keys = []
    for key in redis.scan_iter(_literal(prefix) + b"*" + _literal(project), count=10_000):
        keys.append(key)
        if len(keys) == _KEYS_AT_ONCE:
            yield keys
            keys = []
    if keys:
        yield keys


def _delete_without_successor(redis: Any, keys: list[bytes], ours: bytes, staged: bytes) -> None:
    with redis.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.exists(key.removesuffix(ours) + staged)
        found = pipe.execute()
    gone = [key for key, there in zip(keys, found, strict=True) if not there]
    if gone:
        redis.delete(*gone)


def _marker(project: str) -> bytes:
    return f"{project}.swap".encode()


def _literal(text: bytes) -> bytes:
    """For SCAN's patterns, which know * ? [ and backslash."""
    return b"".join(b"\\" + bytes([c]) if c in b"*?[\\" else bytes([c]) for c in text)
