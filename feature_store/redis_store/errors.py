"""What the errors of Redis say to whoever has to act."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from redis import RedisError
from redis.exceptions import (
    AuthenticationError,
    ClusterError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    TimeoutError,
)
from redis.sentinel import MasterNotFoundError, SlaveNotFoundError

from adloom.feature_store.backend import StoreUnavailable, StoreUnfit

_OURS = "the Redis online store"
_LOGIN = "set features.redis_username, and the password in ADLOOM_FEATURES__REDIS_PASSWORD"
_CLUSTER = (
    "this Redis is a node of a cluster: set features.redis_mode = 'cluster' (redis_url may name "
    "several of its nodes)"
)


@contextmanager
def failures_told(*, at_start: bool = False) -> Iterator[None]:
    """What the block raises of Redis, as StoreUnavailable in words.

    Args:
        at_start: what no waiting can mend is a StoreUnfit.
    """
    try:
        yield
    except (RedisError, RedisClusterException) as error:
        settings = _of_settings(error)
        if settings is not None and at_start:
            raise StoreUnfit(settings) from error
        raise StoreUnavailable(settings or _of_the_moment(error)) from error


def _of_settings(error: Exception) -> str | None:
    """What is to be set otherwise; None where it is not that."""
    text = _line(error)
    if isinstance(error, MasterNotFoundError) and "AuthenticationError" in text:
        return (
            "the Sentinels refuse the login: set their password in "
            "ADLOOM_FEATURES__SENTINEL_PASSWORD"
        )
    if isinstance(error, AuthenticationError) or text.startswith(("NOAUTH", "WRONGPASS")):
        return f"{_OURS} refuses the login ({text}): {_LOGIN}"
    if isinstance(error, NoPermissionError) or text.startswith("NOPERM"):
        return (
            f"{_OURS} does not let this user do its work ({text}): give it the rights that the "
            "README names under Redis"
        )
    if isinstance(error, MovedError) or text.startswith(("MOVED", "CROSSSLOT")):
        return _CLUSTER
    if isinstance(error, RedisClusterException) and "not enabled" in text.lower():
        return (
            "this Redis is no node of a cluster: leave features.redis_mode out, or name the "
            "cluster's nodes in redis_url"
        )
    if isinstance(error, ssl.SSLError) or _has_ssl_cause(error):
        return (
            f"{_OURS} could not be reached over TLS ({text}): set features.redis_ca_file to the "
            "authority that signed its certificate, and name it as the certificate does"
        )
    return None


def _of_the_moment(error: Exception) -> str:
    """What time may heal, or somebody who looks after the servers."""
    text = _line(error)
    if isinstance(error, MasterNotFoundError | SlaveNotFoundError):
        return (
            f"no Sentinel knows a master now ({text}): where it lasts, hold "
            "features.sentinel_master and redis_url against the Sentinels"
        )
    if isinstance(error, ReadOnlyError) or text.startswith("READONLY"):
        return (
            f"{_OURS} is a replica and takes no writes: a failover is going on, or redis_url does "
            "not name the master (set features.sentinel_master to follow it)"
        )
    if isinstance(error, OutOfMemoryError) or text.startswith("OOM"):
        return f"{_OURS} is full ({text}): raise its maxmemory; it goes on by itself"
    if text.startswith("NOREPLICAS"):
        return f"{_OURS} has too few replicas to take writes ({text}): bring them back"
    if text.startswith("MISCONF"):
        return f"{_OURS} cannot write to its disk ({text}): free some room there"
    if isinstance(error, ClusterError) or text.startswith(("CLUSTERDOWN", "MASTERDOWN")):
        return f"a part of the Redis cluster is away ({text}): bring its nodes back"
    if isinstance(error, TimeoutError):
        return f"{_OURS} does not answer ({text})"
    return f"{_OURS} cannot be used: {text}"


def _line(error: Exception) -> str:
    """The first line, without Python's marks of bytes."""
    first = str(error).partition("\n")[0]
    return first.removeprefix("b'").removesuffix("'") or type(error).__name__


def _has_ssl_cause(error: BaseException | None) -> bool:
    seen = 0
    while error is not None and seen < 5:
        if isinstance(error, ssl.SSLError):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False
