"""What the settings judge an experiment by beside its click-through rate: sums over users.

By intention to treat: a user counts in the arm of the first ad that was shown to them, from that
moment on, for a window that is as long for everybody, once it is over. So each user is one draw,
and more visits are more of what is counted, not more units. That needs users who stay: under
Thompson sampling how many ads a user sees in an arm is what the shares make of it, and a sale may
follow several arms; the settings take no metrics there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from adloom.loop.experiments.guardrails import ALPHA as _GUARDRAIL_ALPHA
from adloom.loop.experiments.happened import Happened
from adloom.loop.experiments.lifts import FEWEST_USERS, Lift, alpha_of, lift_of, p_value
from adloom.loop.experiments.metric_sums import Countable, UserSums
from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.settings.experiments import Experiment
from adloom.loop.settings.metrics import Metric
from adloom.loop.statistics.rates import ArmRates, Interval
from adloom.loop.statistics.ratios import arm_ratios


@dataclass(frozen=True)
class MetricArm:
    """A metric in one arm.

    Attributes:
        users: who were shown an ad, and whose window is over.
        open_users: whose window is not: they do not count yet.
        effective_users: how many users of equal weight they are worth.
        active_users: users who added something to the numerator.
        total: the numerator, as it was counted.
        value: the ratio; NaN where there is nothing to divide by.
        change: None for the control, and while one of both has nothing above 0.
        p_value: of one look, that there is no change; None where there is none.
    """

    users: int
    open_users: int
    effective_users: float
    active_users: int
    total: float
    value: float
    interval: Interval
    change: Lift | None
    p_value: float | None

    @property
    def known(self) -> bool:
        """Whether there is enough for intervals that hold for many users only."""
        return self.effective_users >= FEWEST_USERS and self.active_users >= FEWEST_ACTIVE


FEWEST_ACTIVE = 20
_HOUR = 3_600.0

MetricVerdict = Literal[
    "control", "collecting", "undecided", "better", "not_worse", "worse", "held", "broken"
]
"""`not_worse`: of non-inferiority; `held` and `broken`: of a guardrail's margin."""


@dataclass(frozen=True)
class MetricResult:
    """A metric of an experiment.

    Attributes:
        alpha: chance that an always-valid interval of an arm ever misses the truth.
        arms: by name, in the order of the definition.
        window_hours: how long a user counts, from the first ad on.
        late: outcomes that came after their user's window.
    """

    metric: Metric
    alpha: float
    arms: dict[str, MetricArm]
    window_hours: float
    late: int

    def gain(self, arm: str) -> Lift | None:
        """The arm's change, turned so that better is above 0; None while it is not known."""
        change = self.arms[arm].change
        if change is None or not all(one.known for one in self.arms.values()):
            return None
        return change if self.metric.goal == "increase" else change.turned

    def verdict(self, arm: str, experiment: Experiment) -> MetricVerdict:
        """What is certain of the arm in this metric alone, however often it was looked at."""
        if arm == experiment.control_arm:
            return "control"
        gain = self.gain(arm)
        if gain is None:
            return "collecting"
        if self.metric.role == "guardrail":
            held = gain.always_valid.low > -self.metric.margin
            return "broken" if self.broken(arm) else "held" if held else "undecided"
        least = -experiment.tolerated_loss
        if gain.always_valid.low > least:
            return "not_worse" if least else "better"
        return "worse" if gain.always_valid.high < least else "undecided"

    def broken(self, arm: str) -> bool:
        """Whether the arm is certain to be worse than a guardrail's margin."""
        gain = self.gain(arm)
        return gain is not None and gain.always_valid.high < -self.metric.margin


def metric_results(
    outcomes: Outcomes, done: Happened, experiment: Experiment, *, until: float
) -> dict[str, MetricResult]:
    """Every metric of the settings, by name.

    Args:
        until: seconds since the epoch (UTC); nothing after it was read.
    """
    countable = Countable(outcomes, done, experiment, until)
    return {
        name: MetricResult(
            metric,
            metric_alpha(metric, experiment),
            metric_arms(countable.sums(metric), outcomes.arms, metric, experiment),
            window_hours=countable.window(metric) / _HOUR,
            late=countable.late(metric),
        )
        for name, metric in experiment.metrics.items()
    }


def metric_alpha(metric: Metric, experiment: Experiment) -> float:
    """Chance that the always-valid interval of an arm ever misses the truth.

    That of a false verdict is split over the arms beside the control, and over the metrics that
    decide; each guardrail has its own, of 1 %.
    """
    if metric.role == "guardrail":
        return _GUARDRAIL_ALPHA
    deciding = [m for m in experiment.metrics.values() if m.role == "decision"]
    return alpha_of(experiment) / len(deciding)


def metric_arms(
    sums: UserSums, arms: Sequence[str], metric: Metric, experiment: Experiment
) -> dict[str, MetricArm]:
    """A metric in each of the `arms`, of the users of `sums` whose window is over."""
    alpha, done = metric_alpha(metric, experiment), sums.where(sums.over)
    rates = arm_ratios(
        done.numerator, done.denominator, arm=done.arm, weight=done.weight, arms=len(arms)
    )
    control = arms.index(experiment.control_arm)
    open_users = np.bincount(sums.arm[~sums.over], minlength=len(arms))
    active = np.bincount(done.arm[done.numerator != 0], minlength=len(arms))
    total = np.bincount(done.arm, done.numerator, len(arms))
    ratios = [None if arm == control else rates.log_ratio(arm, control) for arm in range(len(arms))]
    return {
        name: MetricArm(
            users=int(rates.users[arm]),
            open_users=int(open_users[arm]),
            effective_users=float(rates.effective_users[arm]),
            active_users=int(active[arm]),
            total=float(total[arm]),
            value=float(rates.rate[arm]),
            interval=_around(rates, arm),
            change=None if ratio is None else lift_of(ratio, experiment, alpha),
            p_value=None if ratio is None else p_value(ratio),
        )
        for arm, (name, ratio) in enumerate(zip(arms, ratios, strict=True))
    }


def _around(rates: ArmRates, arm: int) -> Interval:
    found = rates.estimate(arm)
    return Interval(found.value - found.reach, found.value + found.reach)
