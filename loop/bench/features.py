"""What an event costs in the feature store, without Kafka: by users, by length of history."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from adloom.feature_store.event_log import LoggedEvent
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore

_BATCH = 10_000
_START = datetime(2026, 1, 1, tzinfo=UTC)
_READS = 500


def bench_features(*, quick: bool = False) -> dict[str, Any]:
    """Runs on SQLite. Costs are µs an event, users uniform, every event a click.

    `read_users_per_second` is of histories in reads of 500; `ratio_to_feast_read` compares it
    with Feast's `get_online_features` of the same values.
    """
    users = (1_000, 10_000) if quick else (1_000, 10_000, 100_000, 1_000_000)
    lengths = (16, 256) if quick else (16, 64, 256)
    events = 20_000 if quick else 100_000
    with tempfile.TemporaryDirectory() as folder:
        return {
            "microseconds_per_event": {
                "users": {str(n): _cost(Path(folder) / f"u{n}", n, 64, events) for n in users},
                "history": {
                    str(n): _cost(Path(folder) / f"h{n}", 1_000, n, max(events, 2_000 * n // 2))
                    for n in lengths
                },
            },
            **_read_rates(Path(folder) / f"u{users[0]}", repeats=2 if quick else 10),
            "events": events,
            "batch": _BATCH,
        }


def _cost(home: Path, users: int, history: int, events: int) -> float:
    """Of the second half of the events, when histories have grown."""
    rng = np.random.default_rng(0)
    with FeatureStore.open(FeatureStoreSettings(history_length=history), home) as store:
        spent = []
        for first in range(0, events, _BATCH):
            batch = _clicks(rng.integers(users, size=_BATCH).tolist(), first)
            started = time.perf_counter()
            store.apply(batch)
            spent.append(time.perf_counter() - started)
    late = spent[len(spent) // 2 :]
    return sum(late) / (len(late) * _BATCH) * 1e6


def _clicks(users: Sequence[int], first: int) -> list[LoggedEvent]:
    blank = LoggedEvent(
        kind="click",
        event_id="",
        ts=_START,
        user_id="",
        item_id="",
        topic="bench.clicks",
        partition=0,
        offset=0,
    )
    return [
        blank._replace(
            event_id=f"event-{offset}",
            ts=_START + timedelta(seconds=offset),
            user_id=f"user-{user}",
            item_id=f"item-{offset % 2_000}",
            offset=offset,
        )
        for offset, user in enumerate(users, first)
    ]


def _read_rates(home: Path, repeats: int) -> dict[str, float]:
    names = [f"user-{number}" for number in range(_READS)]
    columns = ["user_history:item_ids", "user_history:clicked_at_us", "user_history:ad_ids"]
    with FeatureStore.open(FeatureStoreSettings(history_length=64), home) as store:
        rows = [{"user_id": name} for name in names]
        ours, theirs = [], []
        for _ in range(repeats):
            started = time.perf_counter()
            store.histories(names)
            between = time.perf_counter()
            store.feast.get_online_features(columns, rows).to_dict()
            ours.append(between - started)
            theirs.append(time.perf_counter() - between)
        singles = _single_reads(store, names)
    return {
        "read_users_per_second": _READS / float(np.median(ours)),
        "ratio_to_feast_read": float(np.median(theirs) / np.median(ours)),
        "single_read_p50_milliseconds": float(np.quantile(singles, 0.5)) * 1e3,
        "single_read_p99_milliseconds": float(np.quantile(singles, 0.99)) * 1e3,
    }


def _single_reads(store: FeatureStore, names: Sequence[str]) -> list[float]:
    spent = []
    for name in names:
        started = time.perf_counter()
        store.history(name)
        spent.append(time.perf_counter() - started)
    return spent
