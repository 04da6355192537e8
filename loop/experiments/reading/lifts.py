"""An arm beside the control in a part of an experiment: of some days, of some shoppers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from adloom.loop.experiments.lifts import Lift, alpha_of, click_rates, lift_of, p_value
from adloom.loop.experiments.metrics import MetricArm
from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.settings.experiments import Experiment
from adloom.loop.statistics.rates import ArmRates


@dataclass(frozen=True, kw_only=True)
class LiftFigures:
    """A change against the control; what is not known yet, or has no bound, is None.

    Attributes:
        lift: relative; the control has none itself.
        low, high: its 95 % interval, of one look.
        always_valid_low, always_valid_high: its interval that holds over all looks together.
        p_value: of one look, that there is no change.
    """

    lift: float | None = None
    low: float | None = None
    high: float | None = None
    always_valid_low: float | None = None
    always_valid_high: float | None = None
    p_value: float | None = None


@dataclass(frozen=True, kw_only=True)
class ArmFigures(LiftFigures):
    """What an arm did in some ads, and the lift of its clicks.

    Attributes:
        rate: clicks an ad, weighted by how each was dealt.
    """

    users: int
    ads: int
    clicks: int
    rate: float | None


@dataclass(frozen=True, kw_only=True)
class MetricFigures(LiftFigures):
    """A metric in an arm, of some users, and its lift as it was counted, whatever the goal.

    Attributes:
        users: those whose window is over.
        p_value: None too where there is too little to test: the metric's verdict asks for as much.
    """

    users: int
    value: float | None


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


def metric_figures(arms: Mapping[str, MetricArm], control: str) -> dict[str, MetricFigures]:
    """Figures by name of the arm."""
    return {
        name: MetricFigures(
            users=arm.users,
            value=_known(arm.value),
            **({} if arm.change is None else _figures(arm.change)),
            p_value=arm.p_value if arm.known and arms[control].known else None,
        )
        for name, arm in arms.items()
    }


def _lift(
    rates: ArmRates, arm: int, control: int, experiment: Experiment
) -> dict[str, float | None]:
    if arm == control or min(rates.users[arm], rates.users[control]) < 2:
        return {}
    ratio = rates.log_ratio(arm, control)
    if ratio is None:
        return {}
    found = _figures(lift_of(ratio, experiment, alpha_of(experiment)))
    return found | {"p_value": p_value(ratio)}


def _figures(lift: Lift) -> dict[str, float | None]:
    return {
        "lift": lift.value,
        "low": lift.interval.low,
        "high": _known(lift.interval.high),
        "always_valid_low": lift.always_valid.low,
        "always_valid_high": _known(lift.always_valid.high),
    }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
