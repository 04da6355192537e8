"""What another policy would have earned, from the log of one whose propensities are known.

Three estimators, as Saito et al. (2021, "Open Bandit Dataset and Pipeline") lay them out: inverse
propensity scores (IPS; Horvitz and Thompson, 1952), the same normalised by the sum of weights
(SNIPS; Swaminathan and Joachims, 2015), and doubly robust (DR; Dudík, Langford and Li, 2011), which
adds a reward model and needs either it or the propensities to be right.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from adloom.loop.statistics.clusters import effective_units
from adloom.loop.statistics.rates import Estimate, clustered_mean, rate_interval

_FOLDS = 5
_PRIOR_ROWS = 20.0


@dataclass(frozen=True)
class PolicyValue:
    """Estimated mean reward of a policy, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class LoggedRewards:
    """A log, as the evaluation of one target policy sees it; arrays of shape (n,).

    Attributes:
        reward: float64, such as 1 for a click.
        weight: float64, probability of the logged action under the target policy over that under
            the logging policy; 0 where the target never takes it.
        model_logged: float64, the reward model's guess for the logged action.
        model_target: float64, its guess for the target's actions, averaged by their probability.
        cluster: int64 from 0: rows of one cluster may be correlated, such as those of a user.
    """

    reward: NDArray[np.float64]
    weight: NDArray[np.float64]
    model_logged: NDArray[np.float64]
    model_target: NDArray[np.float64]
    cluster: NDArray[np.int64]

    @property
    def effective_size(self) -> float:
        """How many rows of the target policy's own the weighted log is worth (Kish)."""
        return effective_units(self.weight)


def policy_values(log: LoggedRewards) -> dict[str, PolicyValue]:
    """The value of the target policy by `ips`, `snips` and `dr`; needs at least one row."""
    corrected = log.model_target + log.weight * (log.reward - log.model_logged)
    return {
        "ips": _with_interval(clustered_mean(log.weight * log.reward, log.cluster), log),
        "snips": _with_interval(_normalised(log), log),
        "dr": _with_interval(clustered_mean(corrected, log.cluster), log),
    }


def _normalised(log: LoggedRewards) -> Estimate:
    total = float(log.weight.sum())
    if total <= 0:
        return Estimate(0.0, 0.0)
    value = float(log.weight @ log.reward) / total
    scores = log.weight * (log.reward - value) * len(log.weight) / total
    return Estimate(value, clustered_mean(scores, log.cluster).error)


def _with_interval(estimate: Estimate, log: LoggedRewards) -> PolicyValue:
    """Student's t, with as many degrees of freedom as there are rewards to rest on.

    A few heavily weighted clicks are all that some logs say of a policy; how much those vary is
    known no better than from so many observations. (`tests.benchmarks.off_policy_coverage`.)
    """
    rewards = effective_units(np.bincount(log.cluster, log.weight * log.reward))
    weights = effective_units(np.bincount(log.cluster, log.weight) ** 2)
    resting = replace(estimate, units=min(rewards or weights, weights))
    interval = rate_interval(resting, int(log.effective_size))
    return PolicyValue(max(0.0, estimate.value), interval.low, interval.high)


def fold_of(cluster: NDArray[np.int64]) -> NDArray[np.int64]:
    """The fold of each row, shape (n,): a cluster is in one fold as a whole."""
    return cluster % _FOLDS


def fitted_rates(
    reward: NDArray[np.float64],
    action: NDArray[np.int64],
    actions: int,
    fold: NDArray[np.int64],
) -> NDArray[np.float64]:
    """A reward model for each fold that has not seen it: float64, shape (folds, actions).

    An action's mean reward outside the fold, drawn towards the mean of all actions by the weight
    of a few rows. ``fold`` comes from `fold_of`.
    """
    cell = fold * actions + action
    shown = np.bincount(cell, minlength=_FOLDS * actions).reshape(_FOLDS, actions)
    sums = np.bincount(cell, reward, _FOLDS * actions).reshape(_FOLDS, actions)
    others_shown, others_sums = shown.sum(axis=0) - shown, sums.sum(axis=0) - sums
    overall = others_sums.sum(axis=1) / np.maximum(1, others_shown.sum(axis=1))
    return (others_sums + _PRIOR_ROWS * overall[:, None]) / (others_shown + _PRIOR_ROWS)
