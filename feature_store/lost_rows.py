"""Rows of the online store that are gone, torn, or older than they were."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from adloom.feature_store.backend import FeaturesLost
from adloom.feature_store.event_log import LoggedEvent

Least = tuple[int, int]
"""Impressions and clicks that a row had at least."""

_NAMED = 3


class LostRows(Exception):
    """Which rows: users by id, items by id and shard, with what they had at least."""

    def __init__(
        self,
        users: Mapping[str, Least] | None = None,
        items: Mapping[tuple[str, int], Least] | None = None,
    ) -> None:
        super().__init__()
        self.users = users or {}
        self.items = items or {}

    def __bool__(self) -> bool:
        return bool(self.users or self.items)

    def named(self) -> str:
        """The first of them, in words."""
        items = dict.fromkeys(item_id for item_id, _ in self.items)
        names = [f"user {name}" for name in self.users] + [f"item {name}" for name in items]
        more = len(names) - _NAMED
        return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")

    def told(self) -> FeaturesLost:
        """The error where they cannot be made anew."""
        return FeaturesLost(
            f"the online store has lost features ({self.named()}) that the event log does not "
            "have whole: run adloom backfill, which makes all features anew from the log"
        )


Mend = Callable[[LostRows, Sequence[LoggedEvent], int], None]
"""Makes lost rows anew; the events are a batch that is not in the features yet, the number is that
of records that come again. It raises FeaturesLost where it cannot, and StoreUnavailable."""
