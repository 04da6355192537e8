"""Bytes that events and ads take where they are kept: `python -m tests.benchmarks.stored_bytes`.

Ids are random, as a shop's are. Prints JSON: an event in Kafka (JSON, uncompressed, with its key)
and in the event log; an ad's row in the database (SQLite, 576 codes twice) and its picture (WebP,
384 px, of the demo's shop).
"""

from __future__ import annotations

import json
import random
import tempfile
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from adloom.feature_store.event_log import EventLog
from adloom.feature_store.logged import LoggedEvent
from adloom.loop.bench.workload import Workload
from adloom.loop.catalogue.creatives.store import Creative
from adloom.loop.catalogue.opening import open_creatives
from adloom.loop.catalogue.pictures.store import PictureStore
from adloom.loop.database.sqlite import database_file
from adloom.loop.demo.shop.creatives import seed_creatives
from adloom.stream.events import encode, kind_of

_EVENTS, _COMMIT, _ADS, _TOKENS, _PICTURES, _SIDE = 400_000, 20_000, 2_000, 576, 64, 384
_RECORD_OVERHEAD = 20  # of a record in a batch of Kafka's
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Prints JSON."""
    with tempfile.TemporaryDirectory() as folder:
        in_kafka, in_log = events(Path(folder) / "log")
        found = {
            "kafka_bytes_an_event": round(in_kafka),
            "log_bytes_an_event": round(in_log),
            "database_bytes_an_ad": round(ads(Path(folder) / "home")),
            "picture_bytes_an_ad": round(pictures(Path(folder) / "pictures")),
        }
    print(json.dumps(found, indent=2))


def events(folder: Path) -> tuple[float, float]:
    """Bytes an event in Kafka, and in the log once its small files are merged."""
    rng, log, sent = random.Random(7), EventLog(folder), list[int]()
    waiting: list[LoggedEvent] = []
    for number, event in enumerate(Workload("zipf").events(_EVENTS)):
        event = event.model_copy(
            update={"event_id": _id(rng), "ad_id": _id(rng), "ts": _at(number)}
        )
        sent.append(len(encode(event)) + len(event.user_id) + _RECORD_OVERHEAD)
        kind = kind_of(event)
        fields: dict[str, Any] = event.model_dump(
            include={"event_id", "ts", "user_id", "item_id", "ad_id"}
        )
        told = event.model_dump(include={"variant", "propensity", "position"})
        place: dict[str, Any] = {
            "topic": f"adloom.{kind}s",
            "partition": number % 8,
            "offset": number,
        }
        waiting.append(LoggedEvent(kind=kind, **fields, **told, **place, topic_id="bench"))
        if len(waiting) == _COMMIT:
            log.append(waiting)
            waiting = []
    log.close()
    size = sum(file.stat().st_size for file in folder.rglob("*.parquet"))
    return mean(sent), size / _EVENTS


def ads(home: Path) -> float:
    """Bytes a row of the creatives."""
    rng = np.random.default_rng(7)
    store, ids = open_creatives(home), random.Random(7)
    before = database_file(home).stat().st_size
    for _ in range(_ADS // 500):
        store.add([_creative(rng, _id(ids)) for _ in range(500)])
    store.close()  # what waits in the write-ahead log comes into the file
    return (database_file(home).stat().st_size - before) / _ADS


def pictures(folder: Path) -> float:
    """Bytes a picture."""
    store = PictureStore.in_folder(folder)
    for ad in seed_creatives(_PICTURES, seed=7):
        store.put(ad.picture(_SIDE))
    return mean(file.stat().st_size for file in folder.rglob("*.webp"))


def _creative(rng: np.random.Generator, ad_id: str) -> Creative:
    codes, background = rng.integers(0, 16_384, (2, _TOKENS)).astype(np.int16)
    title = "Travel Mug, keeps your tea warm all day long"
    hashed = ad_id.replace("-", "") * 2
    return Creative(
        ad_id,
        "travel-mug",
        title,
        hashed,
        codes,
        background,
        "champion",
        ad_id,
        1,
        _BEGIN,
        codebook=hashed,
    )


def _id(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _at(number: int) -> datetime:
    return _BEGIN + timedelta(milliseconds=100 * number)


if __name__ == "__main__":
    main()
