"""Rates of arms with user-level variance: a user is dealt an arm, so users are what varies.

A rate is a ratio of two sums over users (clicks over exposures), so its variance comes from the
delta method (Deng, Knoblich and Lu, 2018, "Applying the delta method in metric analytics"). Every
exposure weighs one over its propensity (Horvitz and Thompson; normalised, after Hájek): shares
that change over time then favour no arm, and fixed ones give the plain click-through rate.

Users of much weight pull the rate towards their own, and the variance of the plain delta method
then falls short. So what a user adds to it is by how much the rate moves without that user: the
jackknife (Efron and Stein, 1981), for clustered data the estimator CR3 of Bell and McCaffrey (2002,
"Bias reduction in standard errors for linear regression with multi-stage samples").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adloom.loop.statistics.clusters import effective_units, t_quantile

_LEVEL = 0.975  # of both ends of a 95 % interval
_LARGEST_LOG = 100.0  # changes beyond e^100 are not told apart


@dataclass(frozen=True)
class Interval:
    """A range that covers the truth with a stated probability."""

    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """An estimate, its standard error, and how many equal users that error rests on."""

    value: float
    error: float
    units: float = math.inf

    @property
    def reach(self) -> float:
        """How far the 95 % interval reaches to either side; infinite where nothing varied."""
        return t_quantile(_LEVEL, self.units) * self.error if self.error else math.inf


@dataclass(frozen=True)
class ArmRates:
    """The mean of a quantity in each arm, and how much of its error comes from each user.

    Attributes:
        rate: float64, shape (arms,); NaN for an arm without exposures.
        users: int64, shape (arms,): how many users were seen in each.
        influence: float64, shape (users, arms): how an arm's rate moves with a user. A column,
            squared, has the sum of the rate's variance.
        share: float64, shape (users, arms): the part of an arm's weight that is a user's.
    """

    rate: NDArray[np.float64]
    users: NDArray[np.int64]
    influence: NDArray[np.float64]
    share: NDArray[np.float64]

    @property
    def error(self) -> NDArray[np.float64]:
        """Standard error of each arm's rate, shape (arms,)."""
        return np.sqrt((self.influence**2).sum(axis=0))

    @property
    def effective_users(self) -> NDArray[np.float64]:
        """How many users of equal weight each arm's are worth, shape (arms,)."""
        return np.array([effective_units(share) for share in self.share.T])

    def estimate(self, arm: int) -> Estimate:
        """The arm's rate."""
        return Estimate(float(self.rate[arm]), float(self.error[arm]), self._units(arm))

    def log_ratio(self, arm: int, control: int) -> Estimate | None:
        """Logarithm of the arm's rate over the control's; None where one of them is not above 0."""
        one, other = self.rate[arm], self.rate[control]
        if not (one > 0 and other > 0):
            return None
        return self._between(arm, control, math.log(one / other), 1 / one, 1 / other)

    def difference(self, arm: int, control: int) -> Estimate:
        """The arm's rate less the control's."""
        return self._between(arm, control, float(self.rate[arm] - self.rate[control]), 1.0, 1.0)

    def _between(
        self, arm: int, control: int, value: float, by_arm: float, by_control: float
    ) -> Estimate:
        """Of both arms' errors, by Welch (1947) and Satterthwaite."""
        each = self.influence[:, arm] * by_arm - self.influence[:, control] * by_control
        parts = [(self.error[arm] * by_arm) ** 2, (self.error[control] * by_control) ** 2]
        free = [max(1.0, self._units(n) - 1) for n in (arm, control)]
        squares = sum(part**2 / n for part, n in zip(parts, free, strict=True))
        units = 1 + sum(parts) ** 2 / squares if squares else 0.0
        return Estimate(value, math.sqrt((each**2).sum()), units)

    def _units(self, arm: int) -> float:
        """Users that the arm's error rests on: by what they could add to it, and what they did."""
        return min(
            effective_units(self.share[:, arm] ** 2), effective_units(self.influence[:, arm] ** 2)
        )


def arm_rates(
    values: NDArray[np.float64] | NDArray[np.bool_],
    *,
    arm: NDArray[np.int64],
    user: NDArray[np.int64],
    weight: NDArray[np.float64],
    arms: int,
) -> ArmRates:
    """Weighted mean of `values` in each arm.

    Args:
        values: shape (n,), one for each exposure, as are `arm`, `user` and `weight`.
        arm: from 0 to `arms` - 1.
        user: numbers from 0.
        arms: how many arms there are.
    """
    users = int(user.max(initial=-1)) + 1
    cell = user * arms + arm
    shape = (users, arms)
    weights = np.bincount(cell, weight, users * arms).reshape(shape).astype(np.float64)
    sums = np.bincount(cell, weight * values, users * arms).reshape(shape).astype(np.float64)
    return ratio_of_sums(sums, weights, weights > 0)


def ratio_of_sums(
    above: NDArray[np.float64], below: NDArray[np.float64], here: NDArray[np.bool_]
) -> ArmRates:
    """The sum over users of what stands above by that of what stands below, in each arm.

    Args:
        above: shape (users, arms), as are `below` and `here`; 0 where a user is not in an arm.
        here: who is in which arm.
    """
    total, seen = below.sum(axis=0), here.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = above.sum(axis=0) / total
        share = below / total
        without = np.where(share < 1, 1 - share, 1.0)  # a user alone: nothing is left without
        influence = (above - rate * below) / total / without
        # Of the jackknife: with users of equal weight the error is that of a sample mean.
        influence *= np.sqrt((seen - 1) / np.maximum(1, seen))
    known = here & (total > 0)
    return ArmRates(rate, seen, np.where(known, influence, 0.0), np.where(known, share, 0.0))


def rate_interval(estimate: Estimate, units: float) -> Interval:
    """95 % interval of a rate between 0 and 1, on the scale of its logarithm: rates are skewed.

    Without any success it goes up to what `units` independent users would rule out.
    """
    if estimate.value > 0:
        relative = min(
            _LARGEST_LOG, t_quantile(_LEVEL, estimate.units) * estimate.error / estimate.value
        )
        factor = math.exp(relative)
        return Interval(estimate.value / factor, min(1.0, estimate.value * factor))
    return Interval(0.0, 1.0 - (1 - _LEVEL) ** (1 / units) if units else 1.0)


def relative_interval(log_ratio: Estimate, reach: float) -> Interval:
    """Interval of a relative change, from the logarithm of a ratio and the reach around it."""
    high = math.inf if reach > _LARGEST_LOG else math.expm1(log_ratio.value + reach)
    return Interval(math.expm1(log_ratio.value - reach), high)


def clustered_mean(values: NDArray[np.float64], cluster: NDArray[np.int64]) -> Estimate:
    """Mean of n values whose errors may be correlated within clusters (numbers from 0)."""
    n = len(values)
    clusters = int(cluster.max(initial=-1)) + 1
    if clusters < 2:
        return Estimate(float(values.mean()) if n else math.nan, math.inf)
    centred = np.bincount(cluster, values - values.mean(), clusters)
    variance = (centred**2).sum() * clusters / (clusters - 1) / n**2
    return Estimate(float(values.mean()), math.sqrt(variance))
