"""How the rows of features lie in an online store: views, their names in Feast, their marks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from feast import FeatureView

Marks = Literal["none", "plain", "sealed"]
"""What a row tells of itself: nothing, where a batch is one step of the store; how far the stream
is in it, where a row is; and whether it is whole besides, where nothing is sure to be one step."""


@dataclass(frozen=True)
class View:
    """One view of the features.

    Attributes:
        name: adloom's own.
        feast: as Feast knows it.
        join_keys: Feast's, in adloom's order, which is that of `entity_key.Key`.
        columns: name of a feature in Feast, by adloom's own.
    """

    name: str
    feast: FeatureView
    join_keys: tuple[str, ...]
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Layout:
    """All views of a store, by adloom's names."""

    views: Mapping[str, View]
    marks: Marks = "none"

    def marked(self, marks: Marks) -> Layout:
        """The same views with other marks."""
        return replace(self, marks=marks)
