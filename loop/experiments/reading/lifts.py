"""An arm beside the control in some of an experiment's ads: of some days, of some shoppers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from adloom.loop.experiments.heavy_users import exposure_weights
from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.experiments.statistics.anytime import always_valid_reach
from adloom.loop.experiments.statistics.rates import (
    ArmRates,
    Estimate,
    arm_rates,
    relative_interval,
)
from adloom.loop.settings.experiments import Experiment


@dataclass(frozen=True)
class ArmFigures:
    """What an arm did in some ads; what is not known yet, or has no bound, is None.

    Attributes:
        rate: clicks an ad, weighted by how each was dealt.
        lift: relative change against the control, which has none itself.
        low, high: its 95 % interval, of one look.
        always_valid_low, always_valid_high: its interval that holds over all looks together.
        p_value: of one look, that there is no change.
    """

    users: int
    ads: int
    clicks: int
    rate: float | None
    lift: float | None = None
    low: float | None = None
    high: float | None = None
    always_valid_low: float | None = None
    always_valid_high: float | None = None
    p_value: float | None = None


def rates_of(outcomes: Outcomes, experiment: Experiment) -> ArmRates:
    """The click-through rate of each arm."""
    return arm_rates(
        outcomes.clicked,
        arm=outcomes.arm,
        user=outcomes.user,
        weight=exposure_weights(outcomes, experiment),
        arms=len(outcomes.arms),
    )


def arm_figures(
    outcomes: Outcomes, experiment: Experiment, rates: ArmRates | None = None
) -> dict[str, ArmFigures]:
    """Figures by name of the arm.

    Args:
        outcomes: with closed windows alone.
        rates: where they are not the plain ones of `outcomes`.
    """
    found = rates_of(outcomes, experiment) if rates is None else rates
    arms = len(outcomes.arms)
    ads = np.bincount(outcomes.arm, minlength=arms)
    clicks = np.bincount(outcomes.arm[outcomes.clicked], minlength=arms)
    control = outcomes.arms.index(experiment.control_arm)
    return {
        name: ArmFigures(
            users=int(found.users[n]),
            ads=int(ads[n]),
            clicks=int(clicks[n]),
            rate=_known(float(found.rate[n])),
            **_lift(found, n, control, experiment),
        )
        for n, name in enumerate(outcomes.arms)
    }


def alpha_of(experiment: Experiment) -> float:
    """Each arm beside the control has its part of the chance of a false verdict."""
    return experiment.alpha / (len(experiment.arms) - 1)


def p_value(estimate: Estimate) -> float:
    """Of one look, that the estimated quantity is 0; by Student's t."""
    if not estimate.error:
        return 1.0
    return float(2 * stdtr(max(1.0, estimate.units - 1), -abs(estimate.value) / estimate.error))


def _lift(
    rates: ArmRates, arm: int, control: int, experiment: Experiment
) -> dict[str, float | None]:
    if arm == control or min(rates.users[arm], rates.users[control]) < 2:
        return {}
    ratio = rates.log_ratio(arm, control)
    if ratio is None:
        return {}
    expected = math.log1p(experiment.expected_lift)
    valid = always_valid_reach(ratio.error, expected, alpha_of(experiment), ratio.units)
    once, always = (relative_interval(ratio, reach) for reach in (ratio.reach, valid))
    return {
        "lift": math.expm1(ratio.value),
        "low": once.low,
        "high": _known(once.high),
        "always_valid_low": always.low,
        "always_valid_high": _known(always.high),
        "p_value": p_value(ratio),
    }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
