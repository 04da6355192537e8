"""What the settings judge an experiment by beside its click-through rate: sums over users.

By intention to treat: a user counts in the arm of the first ad that was shown to them, from that
moment on, for a window that is as long for everybody, once it is over. So each user is one draw,
and more visits are more of what is counted, not more units. That needs users who stay: under
Thompson sampling how many ads a user sees in an arm is what the shares make of it, and a sale may
follow several arms; the settings take no metrics there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adloom.loop.experiments.guardrails import ALPHA as _GUARDRAIL_ALPHA
from adloom.loop.experiments.happened import Happened
from adloom.loop.experiments.lifts import FEWEST_USERS, Lift, alpha_of, lift_of
from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.settings.experiments import Experiment
from adloom.loop.settings.metrics import Metric
from adloom.loop.statistics.rates import ArmRates, Interval
from adloom.loop.statistics.ratios import arm_ratios

_HOUR = 3_600.0


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
    """

    users: int
    open_users: int
    effective_users: float
    active_users: int
    total: float
    value: float
    interval: Interval
    change: Lift | None

    @property
    def known(self) -> bool:
        """Whether there is enough for intervals that hold for many users only."""
        return self.effective_users >= FEWEST_USERS and self.active_users >= FEWEST_ACTIVE


FEWEST_ACTIVE = 20


@dataclass(frozen=True)
class MetricResult:
    """A metric of an experiment.

    Attributes:
        alpha: chance that an always-valid interval of an arm ever misses the truth.
        arms: by name, in the order of the definition.
    """

    metric: Metric
    alpha: float
    arms: dict[str, MetricArm]

    def gain(self, arm: str) -> Lift | None:
        """The arm's change, turned so that better is above 0; None while it is not known."""
        change = self.arms[arm].change
        if change is None or not all(one.known for one in self.arms.values()):
            return None
        return change if self.metric.goal == "increase" else change.turned

    def broken(self, arm: str) -> bool:
        """Whether the arm is certain to be worse than a guardrail's margin."""
        gain = self.gain(arm)
        return gain is not None and gain.always_valid.high < -self.metric.margin


def metric_results(
    outcomes: Outcomes, done: Happened, experiment: Experiment, *, until: float
) -> dict[str, MetricResult]:
    """Every metric of the settings, by name.

    The chance of a false verdict is split over the arms beside the control, and over the metrics
    that decide; each guardrail has its own, of 1 %.

    Args:
        until: seconds since the epoch (UTC); nothing after it was read.
    """
    deciding = [m for m in experiment.metrics.values() if m.role == "decision"]
    alpha = alpha_of(experiment) / max(1, len(deciding))
    return {
        name: _result(
            outcomes,
            done,
            metric,
            experiment,
            alpha if metric.role == "decision" else _GUARDRAIL_ALPHA,
            until,
        )
        for name, metric in experiment.metrics.items()
    }


def metric_json(found: MetricResult) -> dict[str, Any]:
    """A metric as the report tells it; changes are as they were counted, whatever the goal."""
    return {
        "kind": found.metric.kind,
        "event": found.metric.event,
        "role": found.metric.role,
        "goal": found.metric.goal,
        "margin": found.metric.margin if found.metric.role == "guardrail" else None,
        "alpha": found.alpha,
        "arms": {name: _arm_json(found, name, arm) for name, arm in found.arms.items()},
    }


def _arm_json(found: MetricResult, name: str, arm: MetricArm) -> dict[str, Any]:
    change = arm.change
    return {
        "users": arm.users,
        "open_users": arm.open_users,
        "effective_users": arm.effective_users,
        "active_users": arm.active_users,
        "total": arm.total,
        "value": arm.value,
        "value_low": arm.interval.low,
        "value_high": arm.interval.high,
        "change": change and change.value,
        "change_low": change and change.interval.low,
        "change_high": change and change.interval.high,
        "change_always_valid_low": change and change.always_valid.low,
        "change_always_valid_high": change and change.always_valid.high,
        "broken": found.metric.role == "guardrail" and found.broken(name),
    }


@dataclass(frozen=True)
class _Sums:
    """Of each user whose window is over, shape (users,); `open_users` of the others, by arm."""

    numerator: NDArray[np.float64]
    denominator: NDArray[np.float64]
    arm: NDArray[np.int64]
    weight: NDArray[np.float64]
    open_users: NDArray[np.int64]


def _counted(at: NDArray[Any], which: NDArray[np.bool_], users: int) -> NDArray[np.float64]:
    return np.bincount(at, which, users).astype(np.float64)


def _sums(
    outcomes: Outcomes, done: Happened, metric: Metric, experiment: Experiment, until: float
) -> _Sums:
    users, first, at = np.unique(outcomes.user, return_index=True, return_inverse=True)
    window = outcomes.window if metric.window_hours is None else metric.window_hours * _HOUR
    begun, arm = outcomes.shown_at[first], outcomes.arm[first]
    late = outcomes.window if metric.counts_clicks else 0.0
    over = begun + window + late <= until
    inside = outcomes.shown_at < begun[at] + window
    ads = _counted(at, inside, len(users))
    clicks = _counted(at, inside & outcomes.clicked, len(users))
    if experiment.max_user_exposures is not None:
        # Who is shown more counts as if it had been so many, with as large a part of them clicked.
        less = np.minimum(1.0, experiment.max_user_exposures / np.maximum(1.0, ads))
        ads, clicks = ads * less, clicks * less
    ones = np.ones(len(users))
    numerator: NDArray[np.float64]
    denominator: NDArray[np.float64]
    match metric.kind:
        case "ads_per_user":
            numerator, denominator = ads, ones
        case "clicks_per_user":
            numerator, denominator = clicks, ones
        case "click_through_rate":
            numerator, denominator = clicks, ads
        case "outcomes":
            numerator = _outcomes(done, metric, users, begun, window)
            denominator = {"user": ones, "ad": ads, "click": clicks}[metric.per]
    return _Sums(
        numerator[over],
        denominator[over],
        arm[over],
        1 / outcomes.propensity[first][over],
        np.bincount(arm[~over], minlength=len(outcomes.arms)),
    )


def _outcomes(
    done: Happened,
    metric: Metric,
    users: NDArray[np.int64],
    begun: NDArray[np.float64],
    window: float,
) -> NDArray[np.float64]:
    """What each user's outcomes within the window add up to, shape (users,)."""
    named = done.called(str(metric.event))
    at = np.minimum(np.searchsorted(users, named.user), max(0, len(users) - 1))
    counted = np.zeros(len(named.user), bool)
    if len(users):
        counted = (users[at] == named.user) & (named.at >= begun[at])
        counted &= named.at < begun[at] + window
    value = named.value if metric.value == "sum" else np.ones(len(named.value))
    sums = np.bincount(at[counted], value[counted], len(users)).astype(np.float64)
    return sums if metric.cap is None else np.minimum(sums, metric.cap)


def _result(
    outcomes: Outcomes,
    done: Happened,
    metric: Metric,
    experiment: Experiment,
    alpha: float,
    until: float,
) -> MetricResult:
    names, sums = outcomes.arms, _sums(outcomes, done, metric, experiment, until)
    rates = arm_ratios(
        sums.numerator, sums.denominator, arm=sums.arm, weight=sums.weight, arms=len(names)
    )
    control = names.index(experiment.control_arm)
    active = np.bincount(sums.arm[sums.numerator != 0], minlength=len(names))
    total = np.bincount(sums.arm, sums.numerator, len(names))
    return MetricResult(
        metric,
        alpha,
        {
            name: MetricArm(
                users=int(rates.users[arm]),
                open_users=int(sums.open_users[arm]),
                effective_users=float(rates.effective_users[arm]),
                active_users=int(active[arm]),
                total=float(total[arm]),
                value=float(rates.rate[arm]),
                interval=_around(rates, arm),
                change=None if arm == control else _change(rates, arm, control, experiment, alpha),
            )
            for arm, name in enumerate(names)
        },
    )


def _around(rates: ArmRates, arm: int) -> Interval:
    found = rates.estimate(arm)
    return Interval(found.value - found.reach, found.value + found.reach)


def _change(
    rates: ArmRates, arm: int, control: int, experiment: Experiment, alpha: float
) -> Lift | None:
    ratio = rates.log_ratio(arm, control)
    return None if ratio is None else lift_of(ratio, experiment, alpha)
