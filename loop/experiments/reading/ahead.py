"""How much longer an experiment has to run, by how it went so far."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from adloom.loop.experiments.lifts import alpha_of, click_rates
from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.settings.experiments import Experiment
from adloom.loop.statistics.power import (
    Design,
    detectable_at,
    more_ads,
    needed_error,
)

POWER = 0.8
_DAY_SECONDS = 86_400.0
_LATELY_DAYS = 14.0


@dataclass(frozen=True)
class ArmAhead:
    """What is still to be shown; None where nothing can be told yet.

    Attributes:
        sought: the lift that is to be found, or the loss that is to be ruled out.
        detectable: the smallest that the ads so far find with a chance of 80 %.
        more_ads: of all arms together, until the one sought is found with that chance.
        more_days: at the pace of the last days; None where none came, or the experiment is over.
    """

    sought: float
    detectable: float | None
    more_ads: int | None
    more_days: float | None


@dataclass(frozen=True)
class Ahead:
    """The plan from here: by arm beside the control, at the present pace."""

    power: float
    ads_a_day: float
    arms: dict[str, ArmAhead]


def ahead(outcomes: Outcomes, experiment: Experiment, until: datetime) -> Ahead:
    """By the noise of the ads so far, and how many came lately.

    Args:
        outcomes: those with open windows too: they came.
        until: the moment it is told for.
    """
    pace = _ads_a_day(outcomes, until)
    over = experiment.end is not None and experiment.end <= until
    judged = outcomes.judged
    rates = click_rates(judged, experiment)
    control = judged.arms.index(experiment.control_arm)
    arms = {}
    for n, name in enumerate(judged.arms):
        if n == control:
            continue
        ratio = rates.log_ratio(n, control)
        design = design_of(experiment, float(rates.rate[control]))
        if ratio is None or design is None or not ratio.error:
            arms[name] = ArmAhead(sought(experiment), None, None, None)
            continue
        needed = needed_error(design, design.distance(lift_of(experiment)))
        more = more_ads(len(judged), ratio.error, needed)
        known = more is not None and pace > 0 and not over
        arms[name] = ArmAhead(
            sought=sought(experiment),
            detectable=detectable_at(design, ratio.error),
            more_ads=more,
            more_days=more / pace if known and more is not None else None,
        )
    return Ahead(POWER, pace, arms)


def design_of(experiment: Experiment, rate: float, power: float = POWER) -> Design | None:
    """The test that the verdict is made by; None where the control's rate is not known."""
    if not 0 < rate < 1:
        return None
    shares = experiment.shares
    control = shares.pop(experiment.control_arm)
    return Design(
        rate,
        share=min(shares.values()),
        control_share=control,
        alpha=alpha_of(experiment),
        power=power,
        expected=math.log1p(experiment.expected_lift),
        margin=experiment.tolerated_loss,
    )


def lift_of(experiment: Experiment) -> float:
    """The truth that is planned for: whoever is not to be worse need not be better."""
    return 0.0 if experiment.goal == "non_inferiority" else experiment.expected_lift


def sought(experiment: Experiment) -> float:
    return experiment.tolerated_loss or experiment.expected_lift


def _ads_a_day(outcomes: Outcomes, until: datetime) -> float:
    if not len(outcomes):
        return 0.0
    now = until.timestamp()
    since = max(float(outcomes.shown_at[0]), now - _LATELY_DAYS * _DAY_SECONDS)
    days = max((now - since) / _DAY_SECONDS, 1 / 24)
    return float((outcomes.shown_at >= since).sum()) / days
