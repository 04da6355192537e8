"""Entities and feature views for Feast, under the names that a shop has for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from feast import Entity, FeatureView, Field, FileSource
from feast.types import Array, Bytes, Int64, String
from feast.value_type import ValueType

from adloom.feature_store.home import offline_table
from adloom.feature_store.layout import Layout, View
from adloom.feature_store.naming_features import FeastNames
from adloom.feature_store.plain_metrics import undo_feasts

undo_feasts()

OWN_TAG = "adloom"
"""Of what adloom defined: its name for it."""

_FOR_EVER = timedelta(0)
_TYPES: dict[str, Any] = {
    "item_ids": Array(String),
    "clicked_at_us": Array(Int64),
    "seen_at_us": Array(Int64),
    "ad_ids": Array(Bytes),
    "impressions": Int64,
    "clicks": Int64,
    "recent_events": Bytes,
    "events": Bytes,
    "progress": String,
    "taken_back": String,
    "applied": Bytes,
}
_TOLD = {
    "clicked_at_us": "µs since 1970",
    "seen_at_us": "µs since 1970",
    "ad_ids": "by packed_ids; empty = no ad",
    "recent_events": "fingerprints, to know duplicates",
    "progress": "topic id and offset by topic, as JSON",
    "taken_back": "what was taken out again, as JSON",
    "applied": "how far the stream is in this row",
}
_COUNTS = ("impressions", "clicks")
_MARK = ("applied",)
# By view: what it is, its keys in adloom's order, its features, whether its rows can have marks.
_VIEWS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], bool]] = {
    "user_history": (
        "the newest clicks of a user, newest last",
        ("user",),
        ("item_ids", "clicked_at_us", "ad_ids"),
        True,
    ),
    "user_impressions": (
        "the ads that a user looked at last, newest last",
        ("user",),
        ("item_ids", "seen_at_us", "ad_ids"),
        True,
    ),
    "user_stats": (
        "how often a user saw and clicked",
        ("user",),
        (*_COUNTS, "recent_events"),
        True,
    ),
    "user_events": (
        "fingerprints of a user's older events, which are not written again",
        ("page", "user"),
        ("events",),
        False,
    ),
    "item_stats": (
        "how often an item was seen and clicked; the sum over its shards counts",
        ("item", "shard"),
        _COUNTS,
        True,
    ),
    "stream_progress": (
        "how much of a partition is in the other views",
        ("shard",),
        ("progress", "taken_back"),
        False,
    ),
}


@dataclass(frozen=True)
class Defined:
    """What is told to Feast.

    Attributes:
        entities: users, items, shards, pages.
        views: of the online store, by adloom's names.
    """

    names: FeastNames
    entities: tuple[Entity, Entity, Entity, Entity]
    views: dict[str, View]

    @property
    def layout(self) -> Layout:
        """Of rows without marks."""
        return Layout(self.views)

    def clicks_in(self, folder: Path) -> FeatureView:
        """The offline view over the table that `adloom.feature_store.history` writes there."""
        name = self.names.of("user_clicks")
        return FeatureView(
            name=name,
            description="how many clicks of a user the event log has up to a moment",
            entities=[self.entities[0]],
            ttl=_FOR_EVER,
            schema=[
                Field(name=self.names.user_key, dtype=String),
                Field(name=self.names.of("clicks_so_far"), dtype=Int64),
            ],
            source=FileSource(
                name=f"{name}_table",
                path=str(offline_table(folder)),
                timestamp_field="event_timestamp",
            ),
            online=False,
            tags={OWN_TAG: "user_clicks"},
        )


def define(names: FeastNames, *, marked: bool = False) -> Defined:
    """The definitions under these names; `marked` where rows say how far the stream is in them."""
    of, text, number = names.of, ValueType.STRING, ValueType.INT64
    own = {OWN_TAG: "own"}
    entities = {
        "user": Entity(name=names.user, join_keys=[names.user_key], value_type=text),
        "item": Entity(name=names.item, join_keys=[names.item_key], value_type=text),
        "shard": Entity(
            name=of("shard"),
            join_keys=[of("shard")],
            value_type=number,
            description="a partition of the event topics: only its one consumer writes the row",
            tags=own,
        ),
        "page": Entity(
            name=of("page"),
            join_keys=[of("page")],
            value_type=number,
            description="so many of a user's events, numbered from the oldest",
            tags=own,
        ),
    }
    views = {
        name: _view(name, names, entities, features + (_MARK if marked and takes_marks else ()))
        for name, (_, _, features, takes_marks) in _VIEWS.items()
    }
    user, item, shard, page = entities.values()
    return Defined(names, (user, item, shard, page), views)


def _view(
    name: str, names: FeastNames, entities: dict[str, Entity], features: tuple[str, ...]
) -> View:
    told, keys, _, _ = _VIEWS[name]
    key_fields = [
        Field(
            name=entities[key].join_key,
            dtype=String if entities[key].value_type == ValueType.STRING else Int64,
        )
        for key in keys
    ]
    columns = {feature: names.of(feature) for feature in features}
    feast = FeatureView(
        name=names.progress_view if name == "stream_progress" else names.of(name),
        description=told,
        entities=[entities[key] for key in keys],
        ttl=_FOR_EVER,
        schema=[
            *key_fields,
            *(
                Field(
                    name=columns[feature],
                    dtype=_TYPES[feature],
                    description=_TOLD.get(feature, ""),
                )
                for feature in features
            ),
        ],
        tags={OWN_TAG: name},
    )
    return View(name, feast, tuple(entities[key].join_key for key in keys), columns)
