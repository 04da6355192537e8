"""What Feast knows of adloom: entities and feature views. `feast apply` reads this file.

The stream writes the online values. Each row also says how much of the stream is in it
(`progress`), so that a batch which is played again changes nothing.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from feast import Entity, FeatureView, Field, FileSource, PushSource
from feast.data_format import ParquetFormat
from feast.types import Array, Int64, String
from feast.value_type import ValueType

from feature_store.home import default_home, history_file

_FOR_EVER = timedelta(0)

user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
item = Entity(name="item", join_keys=["item_id"], value_type=ValueType.STRING)
shard = Entity(
    name="shard",
    join_keys=["shard"],
    value_type=ValueType.INT64,
    description="a partition of the event topics: only its one consumer writes the row",
)

_USER = Field(name="user_id", dtype=String)
_ITEM = Field(name="item_id", dtype=String)
_SHARD = Field(name="shard", dtype=Int64)
_PROGRESS = Field(name="progress", dtype=String, description="offsets applied, as JSON")
_COUNTS = [Field(name="impressions", dtype=Int64), Field(name="clicks", dtype=Int64)]


def feature_views(home: Path) -> list[FeatureView]:
    """The views whose offline tables lie under `home`: user_history, user_stats, item_stats."""
    history = history_file(home)
    return [
        FeatureView(
            name="user_history",
            entities=[user],
            ttl=_FOR_EVER,
            schema=[
                _USER,
                Field(name="item_ids", dtype=Array(String), description="clicked, newest last"),
                Field(name="clicked_at_us", dtype=Array(Int64), description="µs since 1970"),
                Field(name="ad_ids", dtype=Array(String), description="empty text = no ad"),
                _PROGRESS,
            ],
            source=_source("user_history", history),
        ),
        FeatureView(
            name="user_stats",
            entities=[user],
            ttl=_FOR_EVER,
            schema=[
                _USER,
                *_COUNTS,
                Field(name="recent_events", dtype=Array(Int64), description="to drop duplicates"),
                _PROGRESS,
            ],
            source=_source("user_stats", history.with_name("user_stats.parquet")),
        ),
        FeatureView(
            name="item_stats",
            entities=[item, shard],
            ttl=_FOR_EVER,
            schema=[_ITEM, _SHARD, *_COUNTS, _PROGRESS],
            source=_source("item_stats", history.with_name("item_stats.parquet")),
        ),
    ]


def _source(view: str, path: Path) -> PushSource:
    table = FileSource(
        name=f"{view}_table",
        path=str(path),
        timestamp_field="event_timestamp",
        file_format=ParquetFormat(),
    )
    return PushSource(name=f"{view}_stream", batch_source=table)


user_history, user_stats, item_stats = feature_views(default_home())
