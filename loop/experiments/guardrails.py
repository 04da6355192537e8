"""What an arm must not harm, whatever it does for clicks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.experiments.statistics.anytime import always_valid_reach
from adloom.loop.experiments.statistics.rates import ArmRates, arm_rates, relative_interval
from adloom.loop.settings.experiments import Experiment

_ALPHA = 0.01
_EXPECTED_SLOWDOWN = 0.25  # on the scale of the logarithm
_EXPECTED_RISE = 0.02


@dataclass(frozen=True)
class Guardrail:
    """A quantity of an arm beside the control's.

    Attributes:
        value: the arm's mean; seconds, or a share.
        change: against the control: relative for `seconds`, a difference for `invalid_titles`.
        low, high: always-valid interval of the change.
        limit: the change that the experiment puts up with.
    """

    value: float
    change: float
    low: float
    high: float
    limit: float

    @property
    def broken(self) -> bool:
        """True once it is certain that the change is larger than the limit."""
        return self.low > self.limit


def guardrails(outcomes: Outcomes, experiment: Experiment) -> dict[str, dict[str, Guardrail]]:
    """By name of the arm (all but the control) and of the quantity; what nobody logged is absent.

    `seconds` is the time to draw an ad, `invalid_titles` the share of titles that do not name
    their product or none of its selling points.
    """
    control = outcomes.arms.index(experiment.control_arm)
    seconds = _means(outcomes, outcomes.seconds)
    pace = _means(outcomes, _pace(outcomes))
    invalid = _means(outcomes, outcomes.invalid_title)
    found: dict[str, dict[str, Guardrail]] = {}
    for arm, name in enumerate(outcomes.arms):
        if arm == control:
            continue
        found[name] = {}
        ratio = pace.log_ratio(arm, control)
        if ratio is not None:
            reach = always_valid_reach(ratio.error, _EXPECTED_SLOWDOWN, _ALPHA)
            change = relative_interval(ratio, reach)
            found[name]["seconds"] = Guardrail(
                value=float(seconds.rate[arm]),
                change=math.expm1(ratio.value),
                low=change.low,
                high=change.high,
                limit=experiment.max_slowdown,
            )
        rise = invalid.difference(arm, control)
        if math.isfinite(rise.value):
            reach = always_valid_reach(rise.error, _EXPECTED_RISE, _ALPHA)
            found[name]["invalid_titles"] = Guardrail(
                value=float(invalid.rate[arm]),
                change=rise.value,
                low=max(-1.0, rise.value - reach),
                high=min(1.0, rise.value + reach),
                limit=experiment.max_invalid_titles,
            )
    return found


def _pace(outcomes: Outcomes) -> NDArray[np.float64]:
    """Time to draw over the mean time of batches of that size, of all arms.

    An arm with a larger share is drawn in larger batches, which alone is no slowdown.
    """
    pace = np.full(len(outcomes), np.nan)
    known = np.flatnonzero(outcomes.seconds > 0)
    seconds = outcomes.seconds[known]
    size = np.unique(outcomes.drawn_together[known], return_inverse=True)[1]
    pace[known] = seconds / (np.bincount(size, seconds) / np.bincount(size))[size]
    return pace


def _means(outcomes: Outcomes, values: NDArray[np.float64]) -> ArmRates:
    known = ~np.isnan(values)
    return arm_rates(
        values[known],
        arm=outcomes.arm[known],
        user=outcomes.user[known],
        weight=1 / outcomes.propensity[known],
        arms=len(outcomes.arms),
    )
