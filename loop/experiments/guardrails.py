"""What an arm must not harm, whatever it does for clicks.

An arm's cost is judged by its own work, the engine's row-steps. In a batch that arms share, a slow
arm slows down everyone: how long an ad took then says little of which arm it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.settings.experiments import Experiment
from adloom.loop.statistics.anytime import always_valid_reach
from adloom.loop.statistics.rates import (
    ArmRates,
    Estimate,
    arm_rates,
    relative_interval,
)

ALPHA = 0.01
"""Of each guardrail: chance that its always-valid interval ever misses the truth."""
_EXPECTED_SLOWDOWN = 0.25  # on the scale of the logarithm
_EXPECTED_RISE = 0.02
_LARGEST_TOLD = 10.0


@dataclass(frozen=True)
class Guardrail:
    """A quantity of an arm beside the control's.

    Attributes:
        value: the arm's mean; seconds, steps, or a share.
        change: against the control: a difference for `invalid_titles`, else relative.
        low, high: always-valid interval of the change.
        limit: the change that the experiment puts up with.
        decides: False where the quantity is only told.
        unit: `relative`, or `points` of a share: 0.003 is 0.3 points.
    """

    value: float
    change: float
    low: float
    high: float
    limit: float
    decides: bool = True
    unit: Literal["relative", "points"] = "relative"

    @property
    def told(self) -> tuple[str, str, str]:
        """The change, its interval and the limit, in words."""
        sign = " %" if self.unit == "relative" else " points"
        change, low, limit = (
            f"{100 * one:+.1f}{sign}" for one in (self.change, self.low, self.limit)
        )
        high = f"{100 * self.high:+.1f}{sign}" if self.high <= _LARGEST_TOLD else "no bound"
        return change, f"{low} to {high}", limit

    @property
    def broken(self) -> bool:
        """True once it is certain that the change is larger than the limit."""
        return self.decides and self.low > self.limit


def guardrails(outcomes: Outcomes, experiment: Experiment) -> dict[str, dict[str, Guardrail]]:
    """By name of the arm (all but the control) and of the quantity; what nobody logged is absent.

    `row_steps` is the engine's work for an ad, `seconds` the time to draw it, which decides only
    where the work was not logged. `invalid_titles` is the share of titles that do not name their
    product or none of its selling points.

    Args:
        outcomes: each exposure in the arm that drew it.
    """
    control = outcomes.arms.index(experiment.control_arm)
    work = np.where(outcomes.row_steps > 0, outcomes.row_steps, np.nan)
    steps = _means(outcomes, work)
    seconds = _means(outcomes, outcomes.seconds)
    pace = _means(outcomes, _pace(outcomes))
    invalid = _means(outcomes, outcomes.invalid_title)
    limit = experiment.max_slowdown
    found: dict[str, dict[str, Guardrail]] = {}
    for arm, name in enumerate(outcomes.arms):
        if arm == control:
            continue
        held: dict[str, Guardrail] = {}
        harder = steps.log_ratio(arm, control)
        if harder is not None:
            fewest = int(min(steps.users[arm], steps.users[control]))
            harder = _varied(harder, fewest)
            held["row_steps"] = _slowdown(float(steps.rate[arm]), harder, limit)
        slower = pace.log_ratio(arm, control)
        if slower is not None:
            held["seconds"] = _slowdown(
                float(seconds.rate[arm]), slower, limit, decides="row_steps" not in held
            )
        rise = invalid.difference(arm, control)
        if math.isfinite(rise.value):
            reach = always_valid_reach(rise.error, _EXPECTED_RISE, ALPHA, rise.units)
            held["invalid_titles"] = Guardrail(
                value=float(invalid.rate[arm]),
                change=rise.value,
                low=max(-1.0, rise.value - reach),
                high=min(1.0, rise.value + reach),
                limit=experiment.max_invalid_titles,
                unit="points",
            )
        found[name] = held
    return found


def _slowdown(value: float, ratio: Estimate, limit: float, decides: bool = True) -> Guardrail:
    reach = always_valid_reach(ratio.error, _EXPECTED_SLOWDOWN, ALPHA, ratio.units)
    change = relative_interval(ratio, reach)
    return Guardrail(value, math.expm1(ratio.value), change.low, change.high, limit, decides)


def _varied(ratio: Estimate, users: int) -> Estimate:
    """With an error as if one user were twice as dear: ads may all take the same steps so far."""
    least = 1 / max(1, users)
    return ratio if ratio.error > least else Estimate(ratio.value, least, users)


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
