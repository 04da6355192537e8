"""An online store that goes back to what it was, or loses rows, under whoever uses it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from redis import Redis


class OnlineFaults(Protocol):
    """Rows are chosen by any number: the same number is the same row of the same rows."""

    def keep(self) -> None:
        """Takes a snapshot."""

    def restore(self) -> None:
        """Makes the store what it was at the snapshot, in one step."""

    def lose_row(self, number: int) -> None:
        """Deletes a row, if there is any."""

    def lose_value(self, number: int) -> None:
        """Deletes one value out of a row, if there is any."""


class SqliteFaults:
    """In the file of a feature store; nobody has to close it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._kept = sqlite3.connect(":memory:")
        self.keep()

    def keep(self) -> None:
        with closing(self._connect()) as online:
            online.backup(self._kept)

    def restore(self) -> None:
        with closing(self._connect()) as online:
            self._kept.backup(online)

    def lose_row(self, number: int) -> None:
        with closing(self._connect()) as online:
            rows = [
                (table, *row)
                for table in _tables(online)
                for row in online.execute(f'SELECT DISTINCT entity_key FROM "{table}" ORDER BY 1')
            ]
            if rows:
                table, key = rows[number % len(rows)]
                online.execute(f'DELETE FROM "{table}" WHERE entity_key = ?', [key])

    def lose_value(self, number: int) -> None:
        with closing(self._connect()) as online:
            values = [
                (table, *value)
                for table in _tables(online)
                for value in online.execute(
                    f'SELECT entity_key, feature_name FROM "{table}" ORDER BY 1, 2'
                )
            ]
            if values:
                table, key, name = values[number % len(values)]
                online.execute(
                    f'DELETE FROM "{table}" WHERE entity_key = ? AND feature_name = ?', [key, name]
                )

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file, timeout=10, isolation_level=None)


def _tables(online: sqlite3.Connection) -> list[str]:
    found = online.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'adloom_%' ORDER BY 1"
    )
    return [name for (name,) in found]


class RedisFaults:
    """In a Redis that holds nothing else."""

    def __init__(self, address: str) -> None:
        host, port = address.split(":")
        self._redis: Any = Redis(host=host, port=int(port))
        self._redis.flushall()
        self._kept: dict[bytes, bytes] = {}

    def keep(self) -> None:
        self._kept = {key: self._redis.dump(key) for key in self._keys()}

    def restore(self) -> None:
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.flushall()
            for key, value in self._kept.items():
                pipe.restore(key, 0, value)
            pipe.execute()

    def lose_row(self, number: int) -> None:
        if keys := self._keys():
            self._redis.delete(keys[number % len(keys)])

    def lose_value(self, number: int) -> None:
        values = [(key, name) for key in self._keys() for name in sorted(self._fields(key))]
        if values:
            key, name = values[number % len(values)]
            self._redis.hdel(key, name)

    def _keys(self) -> list[bytes]:
        return sorted(self._redis.keys("*"))

    def _fields(self, key: bytes) -> list[bytes]:
        """Feast's own time stamps are no values."""
        return [name for name in self._redis.hkeys(key) if not name.startswith(b"_ts")]
