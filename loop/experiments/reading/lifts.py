"""An arm beside the control in some of an experiment's ads: of some days, of some shoppers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from adloom.loop.experiments.lifts import alpha_of, click_rates, lift_of, p_value
from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.settings.experiments import Experiment
from adloom.loop.statistics.rates import ArmRates


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


def arm_figures(
    outcomes: Outcomes, experiment: Experiment, rates: ArmRates | None = None
) -> dict[str, ArmFigures]:
    """Figures by name of the arm.

    Args:
        outcomes: with closed windows alone.
        rates: where they are not the plain ones of `outcomes`.
    """
    found = click_rates(outcomes, experiment) if rates is None else rates
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


def _lift(
    rates: ArmRates, arm: int, control: int, experiment: Experiment
) -> dict[str, float | None]:
    if arm == control or min(rates.users[arm], rates.users[control]) < 2:
        return {}
    ratio = rates.log_ratio(arm, control)
    if ratio is None:
        return {}
    found = lift_of(ratio, experiment, alpha_of(experiment))
    return {
        "lift": found.value,
        "low": found.interval.low,
        "high": _known(found.interval.high),
        "always_valid_low": found.always_valid.low,
        "always_valid_high": _known(found.always_valid.high),
        "p_value": p_value(ratio),
    }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
