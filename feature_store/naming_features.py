"""The names that entities, views and features have in Feast: adloom's own, or those of a shop."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

ViewName = Literal[
    "user_history",
    "user_impressions",
    "user_stats",
    "user_events",
    "item_stats",
    "stream_progress",
    "user_clicks",
]
FeatureName = Literal[
    "item_ids",
    "clicked_at_us",
    "seen_at_us",
    "ad_ids",
    "impressions",
    "clicks",
    "recent_events",
    "events",
    "progress",
    "applied",
    "clicks_so_far",
]
KeyName = Literal["shard", "page"]
FeastName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$")]

_DIGEST_LETTERS = 8


class FeastNames(BaseModel):
    """Names in Feast, by adloom's.

    Attributes:
        user, item: names of the entities.
        user_key, item_key: the join keys, under which readers give the ids.
        others: of views, of features (wherever they are), of the entities `shard` and `page`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    user: FeastName = "user"
    item: FeastName = "item"
    user_key: FeastName = "user_id"
    item_key: FeastName = "item_id"
    others: Mapping[ViewName | FeatureName | KeyName, FeastName] = {}

    @model_validator(mode="after")
    def _all_differ(self) -> Self:
        entities = [self.user, self.item, self.of("shard"), self.of("page")]
        keys = [self.user_key, self.item_key, self.of("shard"), self.of("page")]
        features = [self.of(name) for name in get_args(FeatureName)]
        views = [self.of(name) for name in get_args(ViewName)]
        for kind, names in (
            ("entities", entities),
            ("features", features + keys),
            ("views", views),
        ):
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise ValueError(f"two {kind} have the same name: {', '.join(sorted(twice))}")
        return self

    def of(self, name: str) -> str:
        """What a view, a feature or one of adloom's own entities is called in Feast."""
        return self.others.get(name, name)  # type: ignore[call-overload]

    @property
    def progress_view(self) -> str:
        """Another for other names, under which no row is there yet: so no progress is."""
        told = self.model_dump(include={"user_key", "item_key", "others"})
        if told == FeastNames().model_dump(include=set(told)):
            return "stream_progress"
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
        return f"{self.of('stream_progress')}_{digest[:_DIGEST_LETTERS]}"
