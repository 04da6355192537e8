"""How often ads were shown and clicked of late, by the event log: exact after every replay.

A showing whose attribution window is closed is counted once and not read again; those of open
windows are read anew each time. So a look costs what was logged since, whatever the log holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

import pandas as pd

from adloom.feature_store.event_log import EventLog
from adloom.loop.learning.labels import label_exposures
from adloom.loop.pool.own_clicks import Counted

_COLUMNS = ("kind", "ts", "user_id", "item_id", "ad_id")
_LATE = timedelta(minutes=15)
"""Events may come into the log so much later than they happened."""


class ClickCounts:
    """Showings and clicks by ad; one thread refreshes, any may read.

    A click counts where its shopper was shown the ad before, at most ``attribution`` earlier, and
    once a showing.
    """

    def __init__(self, log: EventLog, attribution: timedelta, window: timedelta) -> None:
        """``window``: showings older than this count no more, give or take an hour."""
        self._log = log
        self._attribution = attribution
        self._window = window
        self._closed: dict[datetime, tuple[Counter[str], Counter[str]]] = {}
        self._closed_until: datetime | None = None
        self._now: Mapping[str, Counted] = {}

    @property
    def now(self) -> Mapping[str, Counted]:
        """As of the last refresh; it never changes, the next one makes another."""
        return self._now

    def refresh(self, now: datetime) -> None:
        """Count what was logged since. Raises LogUnavailable, LogDamaged."""
        oldest = _hour(now - self._window)
        since = max(self._closed_until or oldest, oldest)
        closed = max(_hour(now - self._attribution - _LATE), since)
        events = self._log.read("exposure", "click", since=since, until=now, columns=_COLUMNS)
        shown = label_exposures(
            events, attribution=self._attribution, until=now, kinds=("exposure",)
        )
        over = shown["shown_at"] < closed
        for hour, rows in shown[over].groupby(shown.loc[over, "shown_at"].dt.floor("h")):
            self._closed[hour.to_pydatetime()] = _counted(rows)
        self._closed = {hour: one for hour, one in self._closed.items() if hour >= oldest}
        self._closed_until = closed
        self._now = _together([*self._closed.values(), _counted(shown[~over])])


def _counted(rows: pd.DataFrame) -> tuple[Counter[str], Counter[str]]:
    clicked = rows["clicked_at"].notna()
    return Counter(rows["ad_id"]), Counter(rows.loc[clicked, "ad_id"])


def _together(parts: list[tuple[Counter[str], Counter[str]]]) -> Mapping[str, Counted]:
    shown, clicked = Counter[str](), Counter[str]()
    for one in parts:
        shown.update(one[0])
        clicked.update(one[1])
    return {ad_id: Counted(n, clicked[ad_id]) for ad_id, n in shown.items()}


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
