"""The online store of the features: Redis, or a SQLite file under the home."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from adloom.feature_store.redis_address import redis_nodes, redis_options, sentinel_login
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.loop.doctor.clocks import Clock
from adloom.loop.doctor.finding import Check, Finding, judged
from adloom.loop.doctor.sqlite_files import looked_through
from adloom.loop.settings import Settings

PART = "online store"
_SECONDS = 3.0
_FULL, _MIB = 0.9, 2**20
_OLDEST = (5, 0)
_REMEDY = "run adloom backfill, which makes it anew from the event log"
_COMMANDS = ("hset", "hmget", "hdel", "eval", "evalsha", "multi", "scan", "del")


def online_store_check(settings: Settings, now: Callable[[], float] = time.time) -> Check:
    """Of whichever is set."""
    features = settings.features
    if features.online == "redis" and features.redis_url is not None:
        hosts = ", ".join(f"{host}:{port}" for host, port in redis_nodes(features))
        where = {
            "single": f"Redis at {hosts}",
            "cluster": f"Redis cluster of {hosts}",
            "sentinel": f"Redis {features.sentinel_master} watched by {hosts}",
        }[features.redis_mode]
        look = partial(_look_at_redis, features, where, now)
        return Check(PART, where, "features.redis_url", look)
    if features.online != "sqlite":
        look = partial(_look_through_feast, settings)
        return Check(PART, features.online, "features.online_config", look)
    file = settings.home / "features" / "online.db"
    return Check(PART, str(file), "features.online", partial(_look_at_file, file))


def _look_through_feast(settings: Settings) -> Iterator[Finding]:
    """Whether Feast knows the store and what it needs; it connects, and changes nothing."""
    from adloom.feature_store.backend import StoreUnfit
    from adloom.feature_store.opening import looked_at

    where = f"{settings.features.online}, through Feast"
    try:
        problem = looked_at(settings.features, settings.home / "features")
    except StoreUnfit as error:
        problem = str(error)
    yield judged(PART, where, [] if problem is None else [problem], [])


def _look_at_file(file: Path) -> Iterator[Finding]:
    if not file.exists():
        yield Finding(PART, f"{file} is not there yet: it is made by who consumes or serves")
        return
    told, problem = looked_through(file, _REMEDY)
    yield judged(PART, f"SQLite, {told}", [] if problem is None else [problem], [])


def _clients(features: FeatureStoreSettings) -> Iterator[tuple[str, Any]]:
    """Of every node that is named of a cluster, else of the one server that takes writes."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry
    from redis.sentinel import Sentinel

    patience = {"socket_connect_timeout": _SECONDS, "socket_timeout": _SECONDS}
    nodes, options = redis_nodes(features), patience | redis_options(features)
    if features.redis_mode == "sentinel":
        asking = patience | sentinel_login(features) | {"retry": Retry(NoBackoff(), 0)}
        watching = Sentinel(nodes, sentinel_kwargs=asking)
        nodes = [watching.discover_master(features.sentinel_master)]
    for host, port in nodes:
        yield f"{host}:{port}", Redis(host, port, **options, retry=Retry(NoBackoff(), 0))


def _look_at_redis(
    features: FeatureStoreSettings, where: str, now: Callable[[], float]
) -> Iterator[Finding]:
    from redis import AuthenticationError, RedisError
    from redis.exceptions import NoPermissionError

    try:
        for node, client in _clients(features):
            server = where if where.endswith(f" {node}") else f"{where}: {node}"
            yield from _look_at_server(client, features, server, now)
    except (AuthenticationError, NoPermissionError) as error:
        told = f"the login is refused ({error}): see features.redis_username and its password"
        yield Finding(PART, where, "wrong", told)
    except (RedisError, OSError) as error:
        told = f"it cannot be asked ({error}): see that it runs, and to features.redis_url"
        yield Finding(PART, where, "wrong", told)


def _look_at_server(
    client: Any, features: FeatureStoreSettings, where: str, now: Callable[[], float]
) -> Iterator[Finding]:
    clock, clustered = Clock(now), features.redis_mode == "cluster"

    def time_of(client: Any) -> tuple[None, float]:
        seconds, micros = client.time()
        return None, seconds + micros / 1e6

    with closing(client):
        found: Any = client.info()
        clock.hold(lambda: time_of(client))
        keys, lacking, lasts = client.dbsize(), _lacking(client), _lasts(client, found)
    version, used = str(found.get("redis_version", "?")), int(found.get("used_memory", 0))
    wrong = [*_wrong(found, version, clustered), *lacking, *clock.wrong]
    notes = [*_notes(found, used), *clock.notes]
    if not lasts:
        notes.append("it keeps nothing on the disk: set appendonly yes")
    told = f"{where} {version}, {keys:,} keys, {used / _MIB:,.1f} MiB, {clock.told}"
    yield judged(PART, told, wrong, notes)


def _wrong(found: dict[str, Any], version: str, clustered: bool) -> Iterator[str]:
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers and numbers < _OLDEST:
        yield f"Redis {version} is too old: install {_OLDEST[0]}.{_OLDEST[1]} or later"
    policy = str(found.get("maxmemory_policy", "noeviction"))
    if policy.startswith("allkeys"):
        yield (
            f"it would throw features away when its memory is full: its maxmemory-policy is "
            f"{policy}; set it to noeviction"
        )
    if bool(found.get("cluster_enabled")) != clustered:
        mode = "single" if clustered else "cluster"
        yield f"features.redis_mode does not fit it: set {mode}"
    if found.get("role") == "slave" and not clustered:
        yield "it is a replica, which takes no writes: name the primary in features.redis_url"
    if found.get("loading"):
        yield "it still loads its data: wait until it has"
    if found.get("rdb_last_bgsave_status", "ok") != "ok":
        yield "its last save to the disk failed: see its log and its disk"
    if found.get("aof_last_write_status", "ok") != "ok":
        yield "it cannot append to its file: see its log and its disk"


def _notes(found: dict[str, Any], used: int) -> Iterator[str]:
    most = int(found.get("maxmemory", 0))
    if most and used > most * _FULL:
        yield f"{used / most:.0%} of its memory are used: raise maxmemory"


def _lasts(client: Any, found: dict[str, Any]) -> bool:
    """Whether its data outlive it; where the login may not ask, they are taken to."""
    from redis import RedisError

    try:
        return bool(found.get("aof_enabled") or client.config_get("save").get("save"))
    except RedisError:
        return True


def _lacking(client: Any) -> list[str]:
    """Commands that this login may not give; servers before Redis 7 do not tell."""
    from redis import RedisError

    try:
        name = client.execute_command("ACL WHOAMI")
        told = name.decode() if isinstance(name, bytes) else str(name)
        refused = [
            command
            for command in _COMMANDS
            if client.execute_command("ACL DRYRUN", told, command, *_words(command)) != b"OK"
        ]
    except RedisError:
        return []
    return [f"user {told} may not {', '.join(refused)}: grant it"] if refused else []


def _words(command: str) -> tuple[str, ...]:
    """Arguments as many as the command needs."""
    given = {
        "hset": ("k", "f", "v"),
        "hmget": ("k", "f"),
        "evalsha": ("0" * 40, "0"),
        "hdel": ("k", "f"),
        "eval": ("return 1", "0"),
        "scan": ("0",),
        "del": ("k",),
    }
    return given.get(command, ())
