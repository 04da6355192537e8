"""What each user adds to a metric, in the arm of the first ad that was shown to them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adloom.loop.experiments.happened import Happened
from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.settings.experiments import Experiment
from adloom.loop.settings.metrics import Metric

_HOUR = 3_600.0


@dataclass(frozen=True)
class UserSums:
    """Both sums of a ratio by user; every array has shape (users,).

    Attributes:
        user: as `Outcomes.user` numbers them.
        first_item: of the first ad, as `Outcomes.item` numbers them.
        begun: when that was shown, seconds since the epoch (UTC).
        over: whether the user's window is: who is still in it does not count yet.
        arm: of that ad.
        weight: one over the chance with which it was dealt.
        numerator, denominator: what the user adds to each.
    """

    user: NDArray[np.int64]
    first_item: NDArray[np.int64]
    begun: NDArray[np.float64]
    over: NDArray[np.bool_]
    arm: NDArray[np.int64]
    weight: NDArray[np.float64]
    numerator: NDArray[np.float64]
    denominator: NDArray[np.float64]

    def where(self, kept: NDArray[np.bool_]) -> UserSums:
        """The users that are `kept`, shape (users,)."""
        return replace(self, **{each.name: getattr(self, each.name)[kept] for each in fields(self)})


@dataclass(frozen=True)
class Countable:
    """All that the metrics of an experiment are counted from.

    Attributes:
        until: seconds since the epoch (UTC); nothing after it was read.
    """

    outcomes: Outcomes
    done: Happened
    experiment: Experiment
    until: float

    @cached_property
    def _users(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Every user, their first ad, and which of them each ad was shown to."""
        user = self.outcomes.user
        users, first, at = np.unique(user, return_index=True, return_inverse=True)
        return users, first, at

    def sums(
        self,
        metric: Metric,
        *,
        ads: NDArray[np.bool_] | None = None,
        done: NDArray[np.bool_] | None = None,
    ) -> UserSums:
        """What every user adds.

        Args:
            ads: which exposures count, with their clicks; none = all. It is all the same which
                users saw such: they count with nothing, so that the arms stay as they were dealt.
            done: which outcomes count; none = all.
        """
        outcomes, (users, first, at) = self.outcomes, self._users
        window = self.window(metric)
        begun = outcomes.shown_at[first]
        late = outcomes.window if metric.counts_clicks else 0.0
        inside = outcomes.shown_at < begun[at] + window
        less = _less(_counted(at, inside, len(users)), self.experiment)
        if ads is not None:
            inside &= ads
        shown = _counted(at, inside, len(users)) * less
        clicks = _counted(at, inside & outcomes.clicked, len(users)) * less
        ones = np.ones(len(users))
        numerator: NDArray[np.float64]
        denominator: NDArray[np.float64]
        match metric.kind:
            case "ads_per_user":
                numerator, denominator = shown, ones
            case "clicks_per_user":
                numerator, denominator = clicks, ones
            case "click_through_rate":
                numerator, denominator = clicks, shown
            case "outcomes":
                numerator = self._outcomes(metric, begun, window, done)
                denominator = {"user": ones, "ad": shown, "click": clicks}[metric.per]
        return UserSums(
            user=users,
            first_item=outcomes.item[first],
            begun=begun,
            over=begun + window + late <= self.until,
            arm=outcomes.arm[first],
            weight=1 / outcomes.propensity[first],
            numerator=numerator,
            denominator=denominator,
        )

    def late(self, metric: Metric) -> int:
        """How many of its outcomes came after their user's window, and count nothing."""
        users, first, _ = self._users
        if metric.event is None or not len(users):
            return 0
        named = self.done.where(self.done.name == metric.event)
        at = np.minimum(np.searchsorted(users, named.user), len(users) - 1)
        over = self.outcomes.shown_at[first][at] + self.window(metric)
        return int(((users[at] == named.user) & (named.at >= over)).sum())

    def window(self, metric: Metric) -> float:
        """For how many seconds from their first ad a user counts."""
        hours = metric.window_hours
        return self.outcomes.window if hours is None else hours * _HOUR

    def _outcomes(
        self,
        metric: Metric,
        begun: NDArray[np.float64],
        window: float,
        which: NDArray[np.bool_] | None,
    ) -> NDArray[np.float64]:
        """What each user's outcomes within the window add up to, shape (users,)."""
        users, done = self._users[0], self.done
        kept = done.name == metric.event
        named = done.where(kept if which is None else kept & which)
        at = np.minimum(np.searchsorted(users, named.user), max(0, len(users) - 1))
        counted = np.zeros(len(named.user), bool)
        if len(users):
            counted = (users[at] == named.user) & (named.at >= begun[at])
            counted &= named.at < begun[at] + window
        value = named.value if metric.value == "sum" else np.ones(len(named.value))
        sums = np.bincount(at[counted], value[counted], len(users)).astype(np.float64)
        return sums if metric.cap is None else np.minimum(sums, metric.cap)


def _counted(at: NDArray[Any], which: NDArray[np.bool_], users: int) -> NDArray[np.float64]:
    return np.bincount(at, which, users).astype(np.float64)


def _less(ads: NDArray[np.float64], experiment: Experiment) -> NDArray[np.float64] | float:
    """Who is shown more counts as if it had been so many, with as large a part of them clicked."""
    most = experiment.max_user_exposures
    return 1.0 if most is None else np.minimum(1.0, most / np.maximum(1.0, ads))
