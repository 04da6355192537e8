"""An arm beside the control: rates of clicks, and relative changes with their intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from scipy.special import stdtr

from adloom.loop.experiments.heavy_users import exposure_weights
from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.settings.experiments import Experiment
from adloom.loop.statistics.anytime import always_valid_reach
from adloom.loop.statistics.rates import (
    ArmRates,
    Estimate,
    Interval,
    arm_rates,
    relative_interval,
)

FEWEST_USERS = 30
"""Of equal weight, in each arm: asymptotic intervals need some."""


@dataclass(frozen=True)
class Lift:
    """Relative change against the control: an estimate, its 95 % and its always-valid interval."""

    value: float
    interval: Interval
    always_valid: Interval

    @property
    def turned(self) -> Lift:
        """The same of a quantity that is to fall: a gain is above 0."""
        return Lift(-self.value, _turned(self.interval), _turned(self.always_valid))


def click_rates(outcomes: Outcomes, experiment: Experiment) -> ArmRates:
    """The click-through rate of each arm; of `outcomes` with closed windows alone."""
    return arm_rates(
        outcomes.clicked,
        arm=outcomes.arm,
        user=outcomes.user,
        weight=exposure_weights(outcomes, experiment),
        arms=len(outcomes.arms),
    )


def alpha_of(experiment: Experiment) -> float:
    """Each arm beside the control has its part of the chance of a false verdict."""
    return experiment.alpha / (len(experiment.arms) - 1)


def lift_of(log_ratio: Estimate, experiment: Experiment, alpha: float) -> Lift:
    """The relative change that the logarithm of a ratio tells.

    Args:
        alpha: chance that the always-valid interval ever misses the truth.
    """
    expected = math.log1p(experiment.expected_lift)
    reach = always_valid_reach(log_ratio.error, expected, alpha, log_ratio.units)
    return Lift(
        math.expm1(log_ratio.value),
        relative_interval(log_ratio, log_ratio.reach),
        relative_interval(log_ratio, reach),
    )


def lift_json(name: str, lift: Lift | None) -> dict[str, Any]:
    """A lift and the ends of its intervals, under keys that begin with `name`."""
    return {
        name: lift and lift.value,
        f"{name}_low": lift and lift.interval.low,
        f"{name}_high": lift and lift.interval.high,
        f"{name}_always_valid_low": lift and lift.always_valid.low,
        f"{name}_always_valid_high": lift and lift.always_valid.high,
    }


def p_value(estimate: Estimate) -> float:
    """Of one look, that the estimated quantity is 0; by Student's t."""
    if not estimate.error:
        return 1.0
    return float(2 * stdtr(max(1.0, estimate.units - 1), -abs(estimate.value) / estimate.error))


def _turned(interval: Interval) -> Interval:
    return Interval(-interval.high, -interval.low)
