"""Clicks with what their shoppers had clicked before: the log is read once, in order of time."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from adloom.feature_store.store import FeatureStore, UserHistory


@dataclass(frozen=True)
class Click:
    """One click; ``ad_id`` is "" where it was on no ad of the loop."""

    ts: datetime
    user_id: str
    item_id: str
    ad_id: str


@dataclass(frozen=True)
class ExportedClicks:
    """The clicks of a time, oldest first, and all that came before them.

    Attributes:
        until_then: clicks to the end of that time, in order of time.
        since: when it begins; None where the log does.
        history_length: clicks of a history at most, the newest.
    """

    until_then: list[Click] = field(repr=False)
    since: datetime | None
    history_length: int

    @classmethod
    def of(
        cls, features: FeatureStore, since: datetime | None, until: datetime | None
    ) -> ExportedClicks:
        """Those with since <= ts < until."""
        columns = ["ts", "user_id", "item_id", "ad_id"]
        found = features.log.read("click", until=until, columns=columns)
        found["ad_id"] = found["ad_id"].fillna("")
        rows = found[columns].itertuples(index=False, name=None)
        clicks = [Click(ts.to_pydatetime(), *rest) for ts, *rest in rows]
        return cls(clicks, since, features.settings.history_length)

    def __len__(self) -> int:
        return sum(self._wanted(click.ts) for click in self.until_then)

    def with_histories(self) -> Iterator[tuple[Click, UserHistory]]:
        """Each click with the history strictly before it, as `FeatureStore.history_at` tells it.

        A history of each user is in memory, and no more than that.
        """
        past: defaultdict[str, deque[Click]] = defaultdict(
            lambda: deque(maxlen=self.history_length)
        )
        for ts, together in groupby(self.until_then, attrgetter("ts")):
            clicks = list(together)
            if self._wanted(ts):
                for click in clicks:
                    yield click, _history(past[click.user_id])
            for click in sorted(clicks, key=attrgetter("item_id", "ad_id")):
                past[click.user_id].append(click)

    def _wanted(self, ts: datetime) -> bool:
        return self.since is None or ts >= self.since


def _history(clicks: Iterable[Click]) -> UserHistory:
    known = list(clicks)
    return UserHistory(
        tuple(click.item_id for click in known),
        tuple(click.ts for click in known),
        tuple(click.ad_id for click in known),
    )
