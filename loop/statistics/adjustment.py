"""Rates adjusted by what users did before: the same truth, with less noise around it.

CUPED (Deng, Xu, Kohavi and Walker, 2013, "Improving the sensitivity of online controlled
experiments by utilizing pre-experiment data") for a ratio of two sums over users, by its
linearised score (Budylin, Drutsa, Katsev and Tsoy, 2018, "Consistent transformation of ratio
metrics"). Covariates are means over users, whom the split deals; an arm that brings more visits
of some users cannot move them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from adloom.loop.statistics.rates import ArmRates


def adjusted_rates(
    plain: ArmRates, seen: NDArray[np.bool_], covariates: NDArray[np.float64]
) -> ArmRates:
    """The rates, less what chance dealt each arm of the covariates.

    One regression within all arms together; with a single ad a user and arms of one size it is
    the analysis of covariance. It needs users who stay in one arm with fixed shares.

    Args:
        plain: of `arm_rates`.
        seen: shape (users, arms): who was shown an ad in which arm.
        covariates: float64, shape (users, k), of each user before the experiment; finite.
    """
    users, arms = seen.shape
    columns = covariates.shape[1]
    centred = np.zeros((arms, users, columns))
    chance = np.zeros((arms, columns))
    overall = covariates[seen.any(axis=1)].mean(axis=0) if seen.any() else chance[0]
    for arm in range(arms):
        here = seen[:, arm]
        if here.any():
            mean = covariates[here].mean(axis=0)
            centred[arm, here] = (covariates[here] - mean) / here.sum()
            chance[arm] = mean - overall
    scores = plain.influence.T.reshape(-1)
    slope = np.linalg.lstsq(centred.reshape(-1, columns), scores, rcond=None)[0]
    # Slopes are fitted to the same users: as many fewer are free.
    free = np.maximum(1, seen.sum(axis=0) - 1)
    correction = np.sqrt(free / np.maximum(1, free - columns))
    influence = (plain.influence - (centred @ slope).T) * correction
    return replace(plain, rate=plain.rate - chance @ slope, influence=influence)
