"""Rates of arms with user-level variance: a user is dealt an arm, so users are what varies.

A rate is a ratio of two sums over users (clicks over exposures), so its variance comes from the
delta method (Deng, Knoblich and Lu, 2018, "Applying the delta method in metric analytics"). Every
exposure weighs one over its propensity (Horvitz and Thompson; normalised, after Hájek): shares
that change over time then favour no arm, and fixed ones give the plain click-through rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Z95 = float(norm.ppf(0.975))
_LARGEST_LOG = 100.0  # changes beyond e^100 are not told apart


@dataclass(frozen=True)
class Interval:
    """A range that covers the truth with a stated probability."""

    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """An estimate and its standard error."""

    value: float
    error: float


@dataclass(frozen=True)
class ArmRates:
    """The mean of a quantity in each arm, and how much of its error comes from each user.

    Attributes:
        rate: float64, shape (arms,); NaN for an arm without exposures.
        users: int64, shape (arms,): how many users were seen in each.
        influence: float64, shape (users, arms): the derivative of an arm's rate by a user's
            weight. Its column has the sum 0 and, squared, the sum of the rate's variance.
    """

    rate: NDArray[np.float64]
    users: NDArray[np.int64]
    influence: NDArray[np.float64]

    @property
    def error(self) -> NDArray[np.float64]:
        """Standard error of each arm's rate, shape (arms,)."""
        return np.sqrt((self.influence**2).sum(axis=0))

    def log_ratio(self, arm: int, control: int) -> Estimate | None:
        """Logarithm of the arm's rate over the control's; None where one of them is not above 0."""
        one, other = self.rate[arm], self.rate[control]
        if not (one > 0 and other > 0):
            return None
        each = self.influence[:, arm] / one - self.influence[:, control] / other
        return Estimate(math.log(one / other), math.sqrt((each**2).sum()))

    def difference(self, arm: int, control: int) -> Estimate:
        """The arm's rate less the control's."""
        each = self.influence[:, arm] - self.influence[:, control]
        return Estimate(float(self.rate[arm] - self.rate[control]), math.sqrt((each**2).sum()))


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
    weights = np.bincount(cell, weight, users * arms).reshape(shape)
    sums = np.bincount(cell, weight * values, users * arms).reshape(shape)
    total = weights.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = sums.sum(axis=0) / total
        seen = (weights > 0).sum(axis=0)
        # The rate is fitted to the same users: as with a sample variance, one less is free.
        correction = np.sqrt(seen / np.maximum(1, seen - 1))
        influence = (sums - rate * weights) / total * correction
    return ArmRates(rate, seen, np.where(weights > 0, influence, 0.0))


def rate_interval(estimate: Estimate, units: int, z: float = Z95) -> Interval:
    """Interval of a rate between 0 and 1, on the scale of its logarithm: rates are skewed.

    Without any success it goes up to what `units` independent users would rule out.
    """
    if estimate.value > 0:
        factor = math.exp(min(_LARGEST_LOG, z * estimate.error / estimate.value))
        return Interval(estimate.value / factor, min(1.0, estimate.value * factor))
    tail = float(norm.sf(z))
    return Interval(0.0, 1.0 - tail ** (1 / units) if units else 1.0)


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
