"""An experiment day by day: what came, and what was known by then."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

from adloom.loop.experiments.metric_sums import UserSums
from adloom.loop.experiments.metrics import metric_arms
from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.experiments.reading.lifts import (
    ArmFigures,
    MetricFigures,
    arm_figures,
    metric_figures,
)
from adloom.loop.settings.experiments import Experiment

_DAY_SECONDS = 86_400.0
_MOST_DAYS = 60


@dataclass(frozen=True)
class Day:
    """A day of the experiment, or several that follow each other where it runs for long.

    Attributes:
        day: the last of them, UTC.
        whole: whether it is over, and the windows of all its ads: else there is more to come.
        ads, clicks: of the day alone, by arm.
        so_far: of all ads up to the day's end, by arm.
        metrics: of all users whose first ad came up to the day's end, by metric and arm.
    """

    day: date
    whole: bool
    ads: dict[str, int]
    clicks: dict[str, int]
    so_far: dict[str, ArmFigures]
    metrics: dict[str, dict[str, MetricFigures]]


def by_day(
    outcomes: Outcomes, experiment: Experiment, sums: Mapping[str, UserSums], until: datetime
) -> list[Day]:
    """Every day on which ads were shown, at most 60 points.

    The windows of its ads, and of the users who came first on it, are over by now; who looked on
    the day itself saw fewer of them.

    Args:
        outcomes: with closed windows alone, in the order of time.
        sums: of the experiment's metrics, by name.
        until: the moment up to which was read.
    """
    day = _days(outcomes.shown_at)
    begun = {name: _days(each.begun) for name, each in sums.items()}
    # A metric's window may be over before those of the ads are: its last users count too.
    days = np.unique(
        np.concatenate([day, *(begun[name][each.over] for name, each in sums.items())])
    )
    if not len(days):
        return []
    # One point for each of several days, the last day always: it is what the verdict says.
    step = -(-len(days) // _MOST_DAYS)
    last = days[::-1][::step][::-1]
    ends = np.searchsorted(day, last, side="right")
    found, start = [], 0
    whole_until = until.timestamp() - outcomes.window
    if experiment.end is not None and experiment.end.timestamp() <= whole_until:
        whole_until = math.inf
    for number, end in zip(last, ends, strict=True):
        here = slice(start, end)
        arm, clicked = outcomes.arm[here], outcomes.clicked[here]
        ads = np.bincount(arm, minlength=len(outcomes.arms))
        clicks = np.bincount(arm[clicked], minlength=len(outcomes.arms))
        found.append(
            Day(
                day=datetime.fromtimestamp(float(number) * _DAY_SECONDS, UTC).date(),
                whole=bool((number + 1) * _DAY_SECONDS <= whole_until),
                ads=dict(zip(outcomes.arms, ads.tolist(), strict=True)),
                clicks=dict(zip(outcomes.arms, clicks.tolist(), strict=True)),
                so_far=arm_figures(outcomes.head(end), experiment),
                metrics={
                    name: metric_figures(
                        metric_arms(
                            each.where(begun[name] <= number),
                            outcomes.arms,
                            experiment.metrics[name],
                            experiment,
                        ),
                        experiment.control_arm,
                    )
                    for name, each in sums.items()
                },
            )
        )
        start = end
    return found


def _days(moments: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.floor(moments / _DAY_SECONDS).astype(np.int64)
