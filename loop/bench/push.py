"""The consumer that Feast's documentation suggests: one `push` for every event."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import feast
import pandas as pd
from feast import Entity, FeatureView, Field, FileSource, PushSource
from feast.repo_config import RegistryConfig, RepoConfig
from feast.types import Array, Int64, String
from feast.value_type import ValueType

_HISTORY = 64


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
