"""Outcomes of an experiment's users, such as purchases, as arrays."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic_core import from_json

from adloom.feature_store.event_log import EventLog
from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.settings.experiments import Experiment


def _nothing(kind: type) -> NDArray[Any]:
    return np.zeros(0, kind)


@dataclass(frozen=True)
class Happened:
    """What users did, n outcomes in the order of time.

    Attributes:
        user: int64, shape (n,), as `Outcomes.user` numbers them.
        at: float64, seconds since the epoch (UTC).
        value: float64.
        name: object, what they are called.
        item: object, ids of the products they are of; "" = of none.
        seen: names of all outcomes of the experiment's users, those too that no metric names; the
            most frequent first.
    """

    user: NDArray[np.int64] = field(default_factory=lambda: _nothing(np.int64))
    at: NDArray[np.float64] = field(default_factory=lambda: _nothing(np.float64))
    value: NDArray[np.float64] = field(default_factory=lambda: _nothing(np.float64))
    name: NDArray[np.object_] = field(default_factory=lambda: _nothing(np.object_))
    item: NDArray[np.object_] = field(default_factory=lambda: _nothing(np.object_))
    seen: tuple[str, ...] = ()

    def where(self, kept: NDArray[np.bool_]) -> Happened:
        """Those that are `kept`, shape (n,)."""
        arrays = [each.name for each in fields(self) if each.name != "seen"]
        return replace(self, **{name: getattr(self, name)[kept] for name in arrays})


def happened(
    log: EventLog, outcomes: Outcomes, experiment: Experiment, *, until: datetime
) -> Happened:
    """The outcomes that the experiment's metrics name, of its users, before `until`."""
    names = {metric.event for metric in experiment.metrics.values()} - {None}
    if not names:
        return Happened()
    columns = ["ts", "user_id", "item_id", "extra"]
    told = log.read(
        "outcome", since=experiment.start, until=until, columns=columns, users=outcomes.users
    )
    user = pd.Index(outcomes.users, dtype=object).get_indexer(pd.Index(told["user_id"]))
    said = [from_json(extra) for extra in told["extra"]]
    name = np.array([each.get("name") for each in said], dtype=object)
    value = pd.to_numeric(
        pd.Series([each.get("value") for each in said], dtype=object), errors="coerce"
    ).to_numpy(np.float64)
    at = told["ts"].map(pd.Timestamp.timestamp).to_numpy(np.float64)
    kept = (user >= 0) & np.isfinite(value) & np.isin(name.astype(str), [*map(str, names)])
    item = told["item_id"].fillna("").to_numpy(object)
    seen = tuple(str(one) for one, _ in Counter(name[user >= 0]).most_common() if one is not None)
    return Happened(user.astype(np.int64), at, value, name, item, seen).where(kept)
