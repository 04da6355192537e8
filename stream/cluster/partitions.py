"""How many partitions the event topics may have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Topics(NamedTuple):
    """The event topics as the broker has them.

    Attributes:
        ids: by name; a topic that is made anew has another.
        partitions: of each of them.
    """

    ids: Mapping[str, str]
    partitions: int


class UnevenTopics(ValueError):
    """The event topics differ in partitions: for a moment, while someone raises them."""

    def __init__(self, partitions: Mapping[str, int]) -> None:
        told = ", ".join(f"{topic} has {number}" for topic, number in sorted(partitions.items()))
        super().__init__(f"the event topics must have the same number of partitions: {told}")


class TooFewShards(ValueError):
    """The event topics have more partitions than the features have shards."""

    def __init__(self, partitions: int, shards: int) -> None:
        super().__init__(
            f"the event topics have {partitions} partitions: set features.item_shards to "
            f"{partitions} or more (it is {shards})"
        )
