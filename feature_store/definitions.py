"""What Feast knows of adloom: entities and feature views. `feast apply` reads this file.

The stream writes the online views, which have no offline table: the offline truth is the event
log. How much of the stream is in them is a view as well, written in one step with the others, so
that a batch which is played again changes nothing.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from feast import Entity, FeatureView, Field, FileSource
from feast.types import Array, Bytes, Int64, String
from feast.value_type import ValueType

from adloom.feature_store.home import default_folder, offline_table
from adloom.feature_store.plain_metrics import undo_feasts

undo_feasts()

_FOR_EVER = timedelta(0)

user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
item = Entity(name="item", join_keys=["item_id"], value_type=ValueType.STRING)
shard = Entity(
    name="shard",
    join_keys=["shard"],
    value_type=ValueType.INT64,
    description="a partition of the event topics: only its one consumer writes the row",
)
page = Entity(
    name="page",
    join_keys=["page"],
    value_type=ValueType.INT64,
    description="so many of a user's events, numbered from the oldest",
)

_USER = Field(name="user_id", dtype=String)
_ITEM = Field(name="item_id", dtype=String)
_SHARD = Field(name="shard", dtype=Int64)
_COUNTS = [Field(name="impressions", dtype=Int64), Field(name="clicks", dtype=Int64)]

user_history = FeatureView(
    name="user_history",
    description="the newest clicks of a user, newest last",
    entities=[user],
    ttl=_FOR_EVER,
    schema=[
        _USER,
        Field(name="item_ids", dtype=Array(String)),
        Field(name="clicked_at_us", dtype=Array(Int64), description="µs since 1970"),
        Field(name="ad_ids", dtype=Array(Bytes), description="by packed_ids; empty = no ad"),
    ],
)
user_stats = FeatureView(
    name="user_stats",
    description="how often a user saw and clicked",
    entities=[user],
    ttl=_FOR_EVER,
    schema=[
        _USER,
        *_COUNTS,
        Field(name="recent_events", dtype=Bytes, description="fingerprints, to know duplicates"),
    ],
)
user_events = FeatureView(
    name="user_events",
    description="fingerprints of a user's older events, which are not written again",
    entities=[page, user],
    ttl=_FOR_EVER,
    schema=[Field(name="page", dtype=Int64), _USER, Field(name="events", dtype=Bytes)],
)
item_stats = FeatureView(
    name="item_stats",
    description="how often an item was seen and clicked; the sum over its shards counts",
    entities=[item, shard],
    ttl=_FOR_EVER,
    schema=[_ITEM, _SHARD, *_COUNTS],
)
stream_progress = FeatureView(
    name="stream_progress",
    description="how much of a partition is in the other views",
    entities=[shard],
    ttl=_FOR_EVER,
    schema=[
        _SHARD,
        Field(name="progress", dtype=String, description="topic id and offset by topic, as JSON"),
    ],
)
online_views = [user_history, user_stats, user_events, item_stats, stream_progress]


def user_clicks_in(folder: Path) -> FeatureView:
    """The offline view over the table that `adloom.feature_store.history` writes in `folder`."""
    return FeatureView(
        name="user_clicks",
        description="how many clicks of a user the event log has up to a moment",
        entities=[user],
        ttl=_FOR_EVER,
        schema=[_USER, Field(name="clicks_so_far", dtype=Int64)],
        source=FileSource(
            name="user_clicks_table",
            path=str(offline_table(folder)),
            timestamp_field="event_timestamp",
        ),
        online=False,
    )


user_clicks = user_clicks_in(default_folder())
