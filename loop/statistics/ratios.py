"""Ratios of two sums over users, in each arm: sales a user, clicks a user, sales a click."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from adloom.loop.statistics.rates import ArmRates, ratio_of_sums


def arm_ratios(
    numerator: NDArray[np.float64],
    denominator: NDArray[np.float64],
    *,
    arm: NDArray[np.int64],
    weight: NDArray[np.float64],
    arms: int,
) -> ArmRates:
    """The sum of numerators over that of denominators in each arm.

    The error is that of the delta method (Deng, Knoblich and Lu, 2018, "Applying the delta method
    in metric analytics"), with a user left out at a time, as `rates.arm_rates` has it: there a
    user's numerator is nothing where the denominator is, and here it may be a sale without click.

    Args:
        numerator: shape (users,), as are `denominator`, `arm` and `weight`: a user is in one arm.
        arm: from 0 to `arms` - 1.
        arms: how many arms there are.
    """
    users = np.arange(len(arm))
    here = np.zeros((len(arm), arms), bool)
    here[users, arm] = True
    below = np.where(here, (weight * denominator)[:, None], 0.0)
    above = np.where(here, (weight * numerator)[:, None], 0.0)
    return ratio_of_sums(above, below, here)
