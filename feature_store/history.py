"""Histories as they were at a moment: `user_history` in Feast's offline store.

The offline table has a row for every click: the user's history from that click on. Feast's
point-in-time join then finds, for a user and a moment, the last row that is not later.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import feast
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from feature_store.event_log import EventLog
from feature_store.locking import file_lock
from feature_store.rows import UserHistory, moment

_FEATURES = ["user_history:item_ids", "user_history:clicked_at_us", "user_history:ad_ids"]
_LOG_VERSION = b"adloom.log_version"

# Feast joins with "not later than"; a history ends strictly before its moment.
_STRICTLY_BEFORE = timedelta(microseconds=1)


class OfflineHistories:
    """Keeps the offline table up to date with the log, and asks Feast."""

    def __init__(
        self, feast_store: feast.FeatureStore, log: EventLog, file: Path, length: int
    ) -> None:
        self._feast = feast_store
        self._log = log
        self._file = file
        self._length = length
        file.parent.mkdir(parents=True, exist_ok=True)

    def at(self, moments: Sequence[tuple[str, datetime]]) -> list[UserHistory]:
        """The history of each (user id, aware moment): clicks strictly before the moment."""
        asked = pd.DataFrame(
            {
                "user_id": [user_id for user_id, _ in moments],
                "event_timestamp": [at.astimezone(UTC) - _STRICTLY_BEFORE for _, at in moments],
            }
        )
        if asked.empty:
            return []
        with file_lock(self._file.with_suffix(".lock")):
            if not self._refresh():
                return [UserHistory()] * len(asked)
            known = self._feast.get_historical_features(
                asked.drop_duplicates(ignore_index=True), features=_FEATURES
            ).to_df()
        # Feast gives the rows in an order of its own.
        joined = asked.merge(known, how="left", on=["user_id", "event_timestamp"])
        return [_history(*row) for row in joined[["item_ids", "clicked_at_us", "ad_ids"]].values]

    def _refresh(self) -> bool:
        """Builds the table anew if the log has grown. Returns whether there is any click."""
        version = self._log.version().encode()
        if self._file.exists():
            stored = pq.read_schema(self._file)
            if (stored.metadata or {}).get(_LOG_VERSION) == version:
                return True
        clicks = self._log.read("click")
        if clicks.empty:
            return False
        table = snapshots(clicks, self._length)
        partial = self._file.with_suffix(".partial")
        pq.write_table(table.replace_schema_metadata({_LOG_VERSION: version}), partial)
        partial.replace(self._file)
        return True


def snapshots(clicks: pd.DataFrame, length: int) -> pa.Table:
    """For each click the user's last `length` clicks, it included, as rows of `user_history`."""
    clicks = clicks.assign(ad_id=clicks["ad_id"].fillna(""))
    clicks = clicks.sort_values(["user_id", "ts", "item_id", "ad_id"], ignore_index=True)
    ordinal = clicks.groupby("user_id").cumcount().to_numpy()
    lengths = np.minimum(ordinal + 1, length)
    ends = np.cumsum(lengths)
    # Row r holds the clicks r - lengths[r] + 1 .. r.
    first = np.arange(len(clicks)) - lengths + 1
    members = pa.array(np.arange(ends[-1]) + np.repeat(first - (ends - lengths), lengths))
    offsets = pa.array(np.concatenate([[0], ends]).astype(np.int32))

    def lists(column: pd.Series, type_: pa.DataType) -> pa.ListArray:
        return pa.ListArray.from_arrays(offsets, pa.array(column, type_).take(members))

    clicked_at = pa.array(clicks["ts"]).cast(pa.timestamp("us", tz="UTC"))
    return pa.table(
        {
            "user_id": pa.array(clicks["user_id"], pa.string()),
            "event_timestamp": clicked_at,
            "item_ids": lists(clicks["item_id"], pa.string()),
            "clicked_at_us": lists(clicked_at.cast(pa.int64()).to_pandas(), pa.int64()),
            "ad_ids": lists(clicks["ad_id"], pa.string()),
        }
    )


def _history(items: object, clicked_at: object, ads: object) -> UserHistory:
    if not isinstance(items, np.ndarray | list):  # no click before the moment
        return UserHistory()
    assert isinstance(clicked_at, np.ndarray | list)
    assert isinstance(ads, np.ndarray | list)
    return UserHistory(tuple(items), tuple(moment(int(at)) for at in clicked_at), tuple(ads))
