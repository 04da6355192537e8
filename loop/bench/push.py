"""The consumer that Feast's documentation suggests: one `push` for every event.

It runs in a process of its own that loads nothing of adloom's: what adloom does for its own speed,
such as leaving out Feast's checks of types, would else speed up this baseline too. Run as a module,
it takes a `Pushing` as JSON from standard input and prints events a second.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import feast
import pandas as pd
from feast import Entity, FeatureView, Field, FileSource, PushSource
from feast.repo_config import RegistryConfig, RepoConfig
from feast.types import Array, Int64, String
from feast.value_type import ValueType
from kafka import KafkaConsumer, TopicPartition

_HISTORY = 64
_START_SECONDS = 120.0


@dataclass(frozen=True)
class Pushing:
    """What is pushed where.

    Attributes:
        client: keyword arguments of a kafka-python client.
        partitions: topic and number, each read from its first offset.
        events: how many of them are pushed, after one that loads much.
        store: Feast's settings of the online store.
        folder: new, of Feast's registry.
    """

    client: dict[str, Any]
    partitions: list[tuple[str, int]]
    events: int
    store: dict[str, Any]
    folder: str


def push_rate(pushing: Pushing, seconds: float) -> float:
    """Events a second.

    Args:
        seconds: the longest that it may take beside its start.

    Raises TimeoutError; RuntimeError with the last of what the process said where it failed.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            input=json.dumps(asdict(pushing)),
            capture_output=True,
            text=True,
            timeout=_START_SECONDS + seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError("pushing by Feast did not end: is there a broker?") from None
    if done.returncode:
        raise RuntimeError(f"pushing by Feast failed: {(done.stderr.splitlines() or [''])[-1]}")
    return float(done.stdout.split()[-1])


class PushConsumer:
    """Keeps a user's features in memory and pushes all of them when an event changes one.

    That is kinder than a consumer that first reads them from the store.
    """

    def __init__(self, folder: Path, online_store: dict[str, Any]) -> None:
        folder.mkdir(parents=True)
        self._feast = feast.FeatureStore(
            config=RepoConfig(
                project="textbook",
                provider="local",
                repo_path=folder,
                registry=RegistryConfig(path=str(folder / "registry.db")),
                online_store=online_store,
                offline_store={"type": "dask"},
                entity_key_serialization_version=3,
            )
        )
        self._feast.apply(_definitions(folder))
        self._users: dict[str, dict[str, Any]] = defaultdict(_no_features)

    def take(self, topic: str, payload: bytes) -> None:
        """One event, from its bytes to the online store."""
        event = json.loads(payload)
        user = self._users[event["user_id"]]
        if topic.endswith("clicks"):
            user["clicks"] += 1
            user["item_ids"] = [*user["item_ids"], event["item_id"]][-_HISTORY:]
            user["clicked_at"] = [*user["clicked_at"], event["ts"]][-_HISTORY:]
        else:
            user["impressions"] += 1
        row = {"user_id": event["user_id"], "event_timestamp": datetime.now(UTC)} | user
        self._feast.push("user_events", pd.DataFrame([row]))


def _no_features() -> dict[str, Any]:
    return {"impressions": 0, "clicks": 0, "item_ids": [], "clicked_at": []}


def _definitions(folder: Path) -> list[Any]:
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
    source = PushSource(
        name="user_events",
        batch_source=FileSource(
            name="batch", path=str(folder / "none.parquet"), timestamp_field="event_timestamp"
        ),
    )
    schema = [
        Field(name="impressions", dtype=Int64),
        Field(name="clicks", dtype=Int64),
        Field(name="item_ids", dtype=Array(String)),
        Field(name="clicked_at", dtype=Array(String)),
    ]
    view = FeatureView(
        name="user_features",
        entities=[user],
        ttl=timedelta(0),
        schema=[Field(name="user_id", dtype=String), *schema],
        source=source,
    )
    return [user, source, view]


def _rate(pushing: Pushing) -> float:
    consumer = PushConsumer(Path(pushing.folder), pushing.store)
    kafka = KafkaConsumer(**pushing.client)
    kafka.assign([TopicPartition(*place) for place in pushing.partitions])
    kafka.seek_to_beginning()
    for number, record in enumerate(kafka):
        consumer.take(record.topic, record.value)
        if number == 0:
            started = time.perf_counter()
        if number == pushing.events:
            break
    seconds = time.perf_counter() - started
    kafka.close()
    return pushing.events / seconds


if __name__ == "__main__":
    print(_rate(Pushing(**json.load(sys.stdin))))
