"""From a load and figures to consumers, partitions, bytes and servers, and to the first wall."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from adloom.loop.capacity.figures import Figure, Figures, drawing

_DAY_SECONDS = 86_400.0
_GB = 1e9
_FEWEST_PARTITIONS, _MOST_PARTITIONS = 8, 1_024
_MOST_REDIS = 1_000
"""Servers of a Redis cluster that its makers tell of."""
_OF_REDIS = 0.75
"""Share of a Redis server's memory that rows may take: a save to the disk needs the rest."""


@dataclass(frozen=True)
class Load:
    """What a shop has, and how it wants to keep it.

    Attributes:
        users: with a full history each: the most that they take.
        ads_per_day: that are drawn.
        peak: events and ads of the busiest second over those of the mean one.
        headroom: share of a measured rate that is planned with.
        replication: copies of an event in Kafka.
        redis_copies: of a row in the online store: primary and replicas.
        kafka_days, log_days, picture_days: how long each is kept.
        redis_gb, database_gb: memory of a Redis server, disk of the database (10^9 bytes).
        commit_seconds: between the commits of one consumer to the log.
        shape: of the base that draws.
        gpus: servers that draw; None: as many as it takes.
    """

    users: float
    events_per_day: float
    ads_per_day: float
    peak: float = 3.0
    headroom: float = 0.7
    replication: int = 3
    redis_copies: int = 2
    kafka_days: float = 7.0
    log_days: float = 365.0
    picture_days: float = 30.0
    redis_gb: float = 64.0
    database_gb: float = 4_000.0
    commit_seconds: float = 2.0
    shape: str = "janus-pro-1b"
    gpus: int | None = None


@dataclass(frozen=True)
class Need:
    """What a part takes.

    Attributes:
        part: such as consumers.
        amount: in ``unit``.
        how: the reckoning in words.
        figure: what was measured of it.
        most: as much as there can be, or is known to work; None: more of it can be had.
        why_most: where that is from.
    """

    part: str
    amount: float
    unit: str
    how: str
    figure: Figure
    most: float | None = None
    why_most: str = ""

    @property
    def utilisation(self) -> float | None:
        """Share of the most that is taken; above 1 it does not fit."""
        return None if self.most is None else self.amount / self.most


def reckon(load: Load, figures: Figures) -> list[Need]:
    """Each part's need, in the order in which an event, then an ad, goes through them."""
    consumers = _consumers(load, figures["events_per_second"])
    return [
        consumers,
        _partitions(consumers),
        _kafka(load, figures["kafka_bytes_per_event"]),
        *_online(load, figures),
        *_log(load, consumers.amount, figures),
        _drawing(load, figures[drawing(load.shape)]),
        _database(load, figures["database_bytes_per_ad"]),
        _pictures(load, figures["picture_bytes_per_ad"]),
    ]


def first_wall(needs: list[Need]) -> Need:
    """The part that is fullest of those that end somewhere."""
    return max(needs, key=lambda need: need.utilisation or 0.0)


def _peak(load: Load, per_day: float) -> float:
    return per_day / _DAY_SECONDS * load.peak


def _consumers(load: Load, figure: Figure) -> Need:
    peak = _peak(load, load.events_per_day)
    amount = max(2, math.ceil(peak / (figure.value * load.headroom)))
    how = (
        f"{peak:,.0f} events/s at the peak, {figure.value * load.headroom:,.0f} each with "
        "headroom; two at least, so that one may go"
    )
    most, why = float(_MOST_PARTITIONS), "one a partition"
    return Need("consumers", amount, "processes", how, figure, most, why)


def _partitions(consumers: Need) -> Need:
    amount = max(_FEWEST_PARTITIONS, 2 ** math.ceil(math.log2(2 * consumers.amount)))
    how = "twice the consumers, a power of two: room to grow without moving users"
    return Need(
        "partitions",
        amount,
        "a topic",
        how,
        consumers.figure,
        _MOST_PARTITIONS,
        "features.item_shards",
    )


def _kafka(load: Load, figure: Figure) -> Need:
    kept = load.events_per_day * load.kafka_days
    amount = kept * figure.value * load.replication / _GB
    how = f"{kept:,.0f} events of {load.kafka_days:g} days, {load.replication} copies"
    return Need("Kafka's disks", amount, "GB", how, figure)


def _online(load: Load, figures: Figures) -> Iterator[Need]:
    figure, rate = figures["redis_bytes_per_user"], figures["events_per_second"]
    amount = load.users * figure.value * load.redis_copies / _GB
    how = f"{load.users:,.0f} users with full histories, {load.redis_copies} copies"
    yield Need("online store", amount, "GB", how, figure)
    by_memory = load.users * figure.value / (load.redis_gb * _GB * _OF_REDIS)
    by_events = _peak(load, load.events_per_day) / (rate.value * load.headroom)
    primaries = max(1, math.ceil(max(by_memory, by_events)))
    narrow = "memory" if by_memory >= by_events else "events"
    told = (
        f"{primaries} by {narrow}, of {load.redis_gb:g} GB each, and as many a copy"
        if load.redis_copies > 1
        else f"{primaries} by {narrow}, of {load.redis_gb:g} GB each"
    )
    yield Need(
        "Redis servers",
        primaries * load.redis_copies,
        "servers",
        told,
        figure if narrow == "memory" else rate,
        _MOST_REDIS,
        "nodes of a cluster",
    )


def _log(load: Load, consumers: float, figures: Figures) -> Iterator[Need]:
    size, rate = figures["log_bytes_per_event"], figures["log_commits_per_second"]
    amount = load.events_per_day * load.log_days * size.value / _GB
    yield Need("log", amount, "GB", f"the events of {load.log_days:g} days", size)
    yield Need(
        "commits to the log",
        consumers / load.commit_seconds,
        "a second",
        f"of each consumer one in {load.commit_seconds:g} s (log.commit_seconds)",
        rate,
        rate.value,
        "more were not measured",
    )


def _drawing(load: Load, figure: Figure) -> Need:
    peak = _peak(load, load.ads_per_day)
    amount = max(1, math.ceil(peak / (figure.value * load.headroom)))
    how = (
        f"{peak:,.1f} ads/s at the peak, {figure.value * load.headroom:,.1f} each with headroom, "
        f"each {figure.machine}"
    )
    most = None if load.gpus is None else float(load.gpus)
    return Need("servers that draw", amount, "servers", how, figure, most, "--gpus")


def _database(load: Load, figure: Figure) -> Need:
    amount = load.ads_per_day * load.log_days * figure.value / _GB
    how = f"ads of {load.log_days:g} days, which histories are read through"
    return Need("database", amount, "GB", how, figure, load.database_gb, "--database-gb")


def _pictures(load: Load, figure: Figure) -> Need:
    amount = load.ads_per_day * load.picture_days * figure.value / _GB
    how = f"pictures of the ads of {load.picture_days:g} days"
    return Need("pictures", amount, "GB", how, figure)
