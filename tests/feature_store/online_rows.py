"""Rows of an online store behind its back: what an operator, an eviction or a snapshot does."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from redis import Redis, RedisCluster

from adloom.feature_store.store import FeatureStore


def lose(store: FeatureStore, name: str, views: tuple[str, ...] = ()) -> int:
    """Deletes every row whose key holds the name: of a user or an item; "" takes all rows.

    Args:
        views: of SQLite, where each view has rows of its own; all of them where none is given.

    Returns how many rows went.
    """
    if store.settings.redis_url is not None:
        server = redis_of(store)
        keys = [key for key in keys_of(store, name) if b"adloom" in key]
        return sum(int(server.delete(key)) for key in keys)
    gone = 0
    with closing(sqlite3.connect(file_of(store))) as database:
        for view in views or tables(database):
            table = view if view.startswith("adloom_") else f"adloom_{view}"
            gone += database.execute(
                f'DELETE FROM "{table}" WHERE instr(entity_key, CAST(? AS BLOB)) > 0', [name]
            ).rowcount
        database.commit()
    return gone


def tables(database: sqlite3.Connection) -> list[str]:
    found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return [name for (name,) in found if name.startswith("adloom_")]


def snapshot(store: FeatureStore) -> Any:
    """All that the online store holds."""
    if store.settings.redis_url is not None:
        server = redis_of(store)
        return {key: server.dump(key) for key in keys_of(store) if key.endswith(b"adloom")}
    with closing(sqlite3.connect(file_of(store))) as database:
        return {
            table: database.execute(f'SELECT * FROM "{table}"').fetchall()
            for table in tables(database)
        }


def restore(store: FeatureStore, taken: Any) -> None:
    """Puts a snapshot in the place of all that the online store holds."""
    if store.settings.redis_url is not None:
        server = redis_of(store)
        for key in keys_of(store):
            if key.endswith(b"adloom"):
                server.delete(key)
        for key, value in taken.items():
            server.restore(key, 0, value)
        return
    with closing(sqlite3.connect(file_of(store))) as database:
        for table, rows in taken.items():
            database.execute(f'DELETE FROM "{table}"')
            for row in rows:
                places = ",".join("?" * len(row))
                database.execute(f'INSERT INTO "{table}" VALUES ({places})', row)
        database.commit()


def keys_of(store: FeatureStore, name: str = "") -> list[bytes]:
    """The keys of Redis that hold the name."""
    return list(redis_of(store).scan_iter(b"*" + name.encode() + b"*"))


def file_of(store: FeatureStore) -> Path:
    """The SQLite file, whoever writes it; skips the test where the store has none."""
    if store.settings.online == "postgres":
        pytest.skip("what is lost behind its back is lost from a file of Feast's just as well")
    config = store.settings.online_config.get_secret_value()
    return Path(config.get("path", store.folder / "online.db"))


def redis_of(store: FeatureStore) -> Any:
    assert store.settings.redis_url is not None
    address = store.settings.redis_url.get_secret_value().partition(",")[0]
    if store.settings.redis_mode == "cluster":
        return RedisCluster.from_url(f"redis://{address}")
    return Redis.from_url(f"redis://{address}")
