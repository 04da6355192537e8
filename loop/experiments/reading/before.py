"""What users did before they met an experiment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adloom.feature_store.event_log import EventLog

HISTORY = timedelta(days=28)
"""How far the log is read back from the start of an experiment."""
_COLUMNS = ("kind", "user_id")
_PRIOR_ADS = 10.0


@dataclass(frozen=True)
class Before:
    """Users' events in the `HISTORY` before the start; arrays of shape (users,).

    Attributes:
        ads: float64, times that an ad was shown to the user.
        clicks: float64, clicks of the user.
    """

    ads: NDArray[np.float64]
    clicks: NDArray[np.float64]

    @property
    def returning(self) -> NDArray[np.bool_]:
        """Who was there before; all others are new to the log."""
        return (self.ads > 0) | (self.clicks > 0)

    def covariates(self) -> NDArray[np.float64]:
        """What may say how readily a user clicks; float64, shape (users, 4), finite.

        Clicks beyond what as many ads bring others, the user's own rate drawn towards theirs, and
        how much there was of both.
        """
        shown = self.ads.sum()
        rate = min(1.0, float(self.clicks.sum() / shown)) if shown else 0.0
        own = (self.clicks + rate * _PRIOR_ADS) / (self.ads + _PRIOR_ADS)
        beyond = self.clicks - rate * self.ads
        return np.stack([beyond, own, np.log1p(self.ads), np.log1p(self.clicks)], axis=1)


def before_start(log: EventLog, users: Sequence[str], start: datetime) -> Before:
    """Reads the days before `start`, of these users."""
    known = pd.Index(users)
    told = log.read(since=start - HISTORY, until=start, columns=_COLUMNS, users=users)
    number = known.get_indexer(pd.Index(told["user_id"]))
    clicked = (told["kind"] == "click").to_numpy(bool)
    shown = told["kind"].isin(["exposure", "impression"]).to_numpy(bool)

    def counted(kind: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.bincount(number[kind & (number >= 0)], minlength=len(users)).astype(np.float64)

    return Before(counted(shown), counted(clicked))
