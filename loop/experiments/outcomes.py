"""An experiment's exposures and what became of them, as arrays: what the statistics read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic_core import from_json

from adloom.feature_store.event_log import EventLog
from adloom.loop.learning.labels import label_exposures
from adloom.loop.settings.experiments import LEAST_SHARE, Experiment

SOURCES = ("drawn", "pool", "shop")
"""Where ads come from: drawn for the shopper, before for another, or the shop's own."""
_SOURCE = {name: number for number, name in enumerate(SOURCES)}
_LARGEST = 2.0**31
_OF_A_DEAL = ("experiment", "batch", "propensities")
_COLUMNS = (
    *("kind", "ts", "user_id", "item_id", "ad_id"),
    *("variant", "propensity", "context"),
)
_OF_ALL = ("arms", "users", "items", "window", "impossible")


@dataclass(frozen=True)
class Outcomes:
    """Exposures in the order of time; every array has a row for each, n rows in all.

    Attributes:
        arms: names of the arms, in the order of the definition.
        users: user ids, in the order of their numbers.
        items: item ids likewise.
        window: seconds after its exposure in which a click counts.
        arm: int64, index into `arms`.
        user: int64, users numbered by when they were first seen.
        item: int64, items numbered likewise.
        deal: int64, numbers of (user, batch): who was dealt an arm once.
        shown_at: float64, seconds since the epoch (UTC).
        closed: bool, whether the attribution window is over: no click can come any more. As
            exposures are in the order of time, the closed ones come first.
        clicked: bool; while a window is open, whether there was a click so far.
        propensity: float64, probability of the arm that was dealt.
        shares: float64, shape (n, arms), all probabilities of that deal; NaN where not logged.
        seconds: float64, time to draw the ad's batch; NaN where not known.
        drawn_together: int64, ads in that batch; 0 where not known.
        row_steps: float64, steps of the engine for the ad alone; NaN where not known.
        invalid_title: float64, 1 or 0; NaN where not known.
        version: int64, the model version; -1 where not known.
        source: int64, index into `SOURCES`; -1 where not known.
        impossible: exposures that are left out, since no arm is dealt with the chance they say.
    """

    arms: tuple[str, ...]
    users: tuple[str, ...]
    items: tuple[str, ...]
    window: float
    arm: NDArray[np.int64]
    user: NDArray[np.int64]
    item: NDArray[np.int64]
    deal: NDArray[np.int64]
    shown_at: NDArray[np.float64]
    closed: NDArray[np.bool_]
    clicked: NDArray[np.bool_]
    propensity: NDArray[np.float64]
    shares: NDArray[np.float64]
    seconds: NDArray[np.float64]
    drawn_together: NDArray[np.int64]
    row_steps: NDArray[np.float64]
    invalid_title: NDArray[np.float64]
    version: NDArray[np.int64]
    source: NDArray[np.int64]
    impossible: int = 0

    def __len__(self) -> int:
        return len(self.arm)

    @property
    def closes_at(self) -> datetime | None:
        """When the last open window closes, aware, UTC; None where none is open."""
        if self.closed.all():
            return None
        return datetime.fromtimestamp(float(self.shown_at[-1]) + self.window, UTC)

    @property
    def judged(self) -> Self:
        """The exposures whose window is closed.

        An open window says less of whoever clicks late; a click that came early tells nothing
        either while those that come late are left out. So both are.
        """
        return self.where(self.closed)

    def head(self, n: int) -> Self:
        """The first n exposures."""
        return self.where(np.arange(len(self)) < n)

    def where(self, kept: NDArray[np.bool_]) -> Self:
        """The exposures that are `kept`, shape (n,); users, items and deals keep their numbers."""
        arrays = [field.name for field in fields(self) if field.name not in _OF_ALL]
        return replace(self, **{name: getattr(self, name)[kept] for name in arrays})


def experiment_outcomes(
    log: EventLog, name: str, experiment: Experiment, *, attribution: timedelta, until: datetime
) -> Outcomes:
    """What the event log tells of an experiment.

    Counted are exposures between its start and its end, in one of its arms by their `variant`,
    that name it in their context (`experiment`) or name none, and carry a propensity. Of those
    with one below `LEAST_SHARE` it only tells how many there are: a single one would outweigh all
    others. Beside a holdout all other experiments are its other arm.

    Args:
        attribution: a click later than this after its exposure counts nothing.
        until: events from then on are as if they had not happened.
    """
    events = log.read("exposure", "click", since=experiment.start, until=until, columns=_COLUMNS)
    shown = label_exposures(events, attribution=attribution, until=until, kinds=("exposure",))
    inside = shown["propensity"].notna()
    if experiment.end is not None:
        inside &= shown["shown_at"] < experiment.end
    arms = tuple(experiment.arms)
    shown = shown[inside]
    if experiment.holdout is not None:
        shown = _with_all_else(shown, name, experiment)
    shown = shown[shown["variant"].isin(arms)]
    contexts = [from_json(context) for context in shown["context"]]
    own = [context.get("experiment", name) == name for context in contexts]
    likely = shown["propensity"] >= LEAST_SHARE
    counted = np.asarray(own, bool) & likely.to_numpy(bool)
    impossible = int(np.asarray(own, bool).sum() - counted.sum())
    shown = shown[counted]
    contexts = [context for context, counts in zip(contexts, counted, strict=True) if counts]
    user, users = _numbered(shown["user_id"])
    item, items = _numbered(shown["item_id"])
    batches = [str(context.get("batch", 0)) for context in contexts]
    return Outcomes(
        arms=arms,
        users=users,
        items=items,
        window=attribution.total_seconds(),
        arm=pd.Index(arms).get_indexer(pd.Index(shown["variant"])).astype(np.int64),
        user=user,
        item=item,
        deal=_numbered(shown["user_id"].str.cat(batches, sep="/"))[0],
        shown_at=shown["shown_at"].map(pd.Timestamp.timestamp).to_numpy(np.float64),
        closed=(shown["shown_at"] + attribution <= until).to_numpy(bool),
        clicked=shown["clicked_at"].notna().to_numpy(bool),
        propensity=shown["propensity"].to_numpy(np.float64),
        shares=_shares(contexts, experiment),
        seconds=_numbers(contexts, "seconds"),
        drawn_together=_whole_numbers(contexts, "drawn_together", unknown=0),
        row_steps=_numbers(contexts, "row_steps"),
        invalid_title=1.0 - _numbers(contexts, "valid_title"),
        version=_whole_numbers(contexts, "version", unknown=-1),
        source=np.array([_SOURCE.get(str(context.get("source")), -1) for context in contexts], int),
        impossible=impossible,
    )


def _with_all_else(shown: pd.DataFrame, name: str, experiment: Experiment) -> pd.DataFrame:
    """Exposures of other experiments as those of a holdout's other arm: who is in them is in it."""
    contexts = [from_json(context) for context in shown["context"]]
    others = np.array([context.get("experiment", name) != name for context in contexts], bool)
    rest = next(arm for arm in experiment.arms if arm != experiment.holdout)
    # What they say of their own deal says nothing of this one.
    own = [
        json.dumps({key: said for key, said in context.items() if key not in _OF_A_DEAL})
        for context in contexts
    ]
    return shown.assign(
        variant=shown["variant"].mask(others, rest),
        propensity=shown["propensity"].mask(others, experiment.shares[rest]),
        context=shown["context"].mask(others, pd.Series(own, index=shown.index, dtype=object)),
    )


def _numbered(values: pd.Series[str]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """The number of each value, and the values in the order of their numbers."""
    numbers, names = pd.factorize(values)
    return numbers.astype(np.int64), tuple(names)


def _numbers(contexts: Sequence[Mapping[str, Any]], key: str) -> NDArray[np.float64]:
    return np.array([_number(context.get(key)) for context in contexts], np.float64)


def _number(value: object) -> float:
    """Events come from anywhere: what is no number, or one that nothing measures, is not known."""
    try:
        number = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        return math.nan
    return number if abs(number) < _LARGEST else math.nan


def _whole_numbers(
    contexts: Sequence[Mapping[str, Any]], key: str, *, unknown: int
) -> NDArray[np.int64]:
    values = _numbers(contexts, key)
    return np.where(np.isnan(values), unknown, values).astype(np.int64)


def _shares(contexts: Sequence[Mapping[str, Any]], experiment: Experiment) -> NDArray[np.float64]:
    """Fixed shares are known from the definition where an exposure does not say them."""
    unsaid = experiment.shares if experiment.allocation == "fixed" else {}
    said = [_mapping(context.get("propensities")) or unsaid for context in contexts]
    rows = [[_number(shares.get(arm)) for arm in experiment.arms] for shares in said]
    found = np.array(rows, np.float64).reshape(len(rows), len(experiment.arms))
    return np.where((found == 0) | ((found >= LEAST_SHARE) & (found <= 1)), found, np.nan)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
