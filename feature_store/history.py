"""Histories as they were at a moment, by Feast's point-in-time join over the event log.

The offline table has a row for every click in the log: whose, when (by the order of all that is
joined), and the how-manieth of that user it is. Feast finds, for a user and a moment, the last row
that is not later. Its number says where in the user's clicks the history ends; lists never go
through the join, which is what makes it fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import feast
import numpy as np
import pandas as pd

from adloom.feature_store.event_log import EventLog
from adloom.feature_store.home import offline_table
from adloom.feature_store.locking import file_lock
from adloom.feature_store.naming_features import FeastNames
from adloom.feature_store.rows import UserHistory

# Feast joins with "not later than", and some of its stores by whole seconds. So it is given the
# order of the moments: the first click has second 1, a moment that of the last click before it.
_BEGIN = pd.Timestamp("2000-01-01", tz="UTC")


class PastHistories:
    """Asks Feast, over an offline table that is made from the log each time."""

    def __init__(
        self, feast_store: feast.FeatureStore, log: EventLog, folder: Path, names: FeastNames
    ) -> None:
        self._feast = feast_store
        self._user, self._count = names.user_key, names.of("clicks_so_far")
        self._feature = f"{names.of('user_clicks')}:{self._count}"
        self._log = log
        self._table = offline_table(folder)

    def at(
        self, moments: Sequence[tuple[str, datetime]], limit: int, seen: int = 0
    ) -> list[UserHistory]:
        """The last `limit` clicks strictly before each (user id, aware moment), and the last
        `seen` ads that were looked at."""
        histories = self._clicked(moments, limit)
        if not (seen and moments):
            return histories
        looked_at = self._looked_at(moments, seen)
        return [replace(one, seen=ads) for one, ads in zip(histories, looked_at, strict=True)]

    def _looked_at(
        self, moments: Sequence[tuple[str, datetime]], limit: int
    ) -> list[tuple[str, ...]]:
        """The last `limit` ads before each moment; those of the same one as online."""
        looks = self._log.read(
            "impression",
            until=max(at for _, at in moments),
            columns=["ts", "user_id", "item_id", "ad_id"],
            users={user_id for user_id, _ in moments},
        )
        looks = looks[looks["ad_id"].fillna("") != ""]
        looks = looks.sort_values(["user_id", "ts", "item_id", "ad_id"], ignore_index=True)
        times = looks["ts"].dt.tz_convert(None).to_numpy() if len(looks) else np.array([])
        of_user = {str(user): rows for user, rows in looks.groupby("user_id").indices.items()}
        before = _without_zone(moments)
        found = []
        for (user_id, _), moment in zip(moments, before, strict=True):
            rows = of_user.get(user_id, np.array([], dtype=int))
            until = int(np.searchsorted(times[rows], moment, side="left")) if len(rows) else 0
            ads = looks["ad_id"].iloc[rows[max(0, until - limit) : until]]
            found.append(tuple(str(ad) for ad in ads))
        return found

    def _clicked(self, moments: Sequence[tuple[str, datetime]], limit: int) -> list[UserHistory]:
        if not moments:
            return []
        clicks = self._log.read(
            "click",
            until=max(at for _, at in moments),
            columns=["ts", "user_id", "item_id", "ad_id"],
            users={user_id for user_id, _ in moments},
        )
        if clicks.empty:
            return [UserHistory()] * len(moments)
        clicks["ad_id"] = clicks["ad_id"].fillna("")
        # Clicks of the same moment are in the order that online histories have.
        clicks = clicks.sort_values(["user_id", "ts", "item_id", "ad_id"], ignore_index=True)
        clicks["clicks_so_far"] = clicks.groupby("user_id").cumcount() + 1
        first_row = clicks["user_id"].drop_duplicates().reset_index().set_index("user_id")["index"]
        return [
            _history(clicks, int(first_row.get(user_id, 0)), count, limit)
            for (user_id, _), count in zip(moments, self._counts(clicks, moments), strict=True)
        ]

    def _counts(self, clicks: pd.DataFrame, moments: Sequence[tuple[str, datetime]]) -> list[int]:
        """How many clicks of its user lie strictly before each moment."""
        clicked = clicks["ts"].dt.tz_convert(None).to_numpy()  # UTC, and no objects
        times = np.unique(clicked)
        before = _without_zone(moments)
        asked = pd.DataFrame(
            {
                self._user: [user_id for user_id, _ in moments],
                "event_timestamp": _by_order(np.searchsorted(times, before, side="left")),
            }
        )
        table = pd.DataFrame(
            {
                self._user: clicks["user_id"],
                "event_timestamp": _by_order(np.searchsorted(times, clicked) + 1),
                self._count: clicks["clicks_so_far"],
            }
        )
        table = table.drop_duplicates([self._user, "event_timestamp"], keep="last")
        with file_lock(self._table.with_suffix(".lock")):
            table.to_parquet(self._table, index=False)
            try:
                known = self._feast.get_historical_features(
                    asked.drop_duplicates(ignore_index=True), features=[self._feature]
                ).to_df()
            finally:
                self._table.unlink(missing_ok=True)  # it names users
        # Feast gives the rows in an order of its own.
        joined = asked.merge(known, how="left", on=[self._user, "event_timestamp"])
        return [int(count) for count in joined[self._count].fillna(0)]


def _without_zone(moments: Sequence[tuple[str, datetime]]) -> np.ndarray[Any, Any]:
    """When, in UTC, as numpy has it."""
    return pd.to_datetime([at for _, at in moments], utc=True).tz_convert(None).to_numpy()


def _by_order(places: np.ndarray[Any, Any]) -> pd.Series[pd.Timestamp]:
    """Moments in the order of these numbers."""
    return pd.Series(_BEGIN + pd.to_timedelta(places, unit="s"))


def remove_scratch(folder: Path) -> None:
    """What a process that was killed has left of the offline table in a folder."""
    table = offline_table(folder)
    with file_lock(table.with_suffix(".lock")):
        table.unlink(missing_ok=True)


def _history(clicks: pd.DataFrame, first_row: int, count: int, limit: int) -> UserHistory:
    rows = clicks.iloc[first_row + max(0, count - limit) : first_row + count]
    return UserHistory(
        tuple(rows["item_id"]),
        tuple(at.to_pydatetime().astimezone(UTC) for at in rows["ts"]),
        tuple(rows["ad_id"]),
    )
