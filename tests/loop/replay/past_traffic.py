"""Events that features are made anew from, and the live features to hold them against."""

from __future__ import annotations

import time
from typing import Any

import pandas as pd

from adloom.feature_store.store import FeatureStore
from adloom.stream.consumer import EventConsumer
from adloom.stream.settings import KafkaSettings
from tests.rough_traffic import RoughTraffic

_PATIENCE_SECONDS = 60.0


def consume_all(kafka: KafkaSettings, store: FeatureStore, traffic: RoughTraffic) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with EventConsumer(kafka, store) as consumer:
        while consumer.poll() or not traffic.logged_once(store):
            assert time.monotonic() < deadline


def warehouse(**changes: Any) -> pd.DataFrame:
    """Events as someone else may keep them: no place in a stream, more columns."""
    columns: dict[str, Any] = {
        "kind": ["impression", "click", "click"],
        "event_id": ["i1", "c1", "c1"],
        "ts": pd.to_datetime(["2026-03-01T12:00:00Z"] * 3, utc=True),
        "user_id": ["ann"] * 3,
        "item_id": ["shoe"] * 3,
        "country": ["NO"] * 3,
    }
    return pd.DataFrame(columns | changes)
