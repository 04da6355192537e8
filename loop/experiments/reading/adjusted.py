"""Lifts adjusted by what users did before the experiment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adloom.loop.experiments.lifts import click_rates
from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.experiments.reading.before import Before
from adloom.loop.experiments.reading.lifts import ArmFigures, arm_figures
from adloom.loop.settings.experiments import Experiment
from adloom.loop.statistics.adjustment import adjusted_rates


@dataclass(frozen=True)
class Adjusted:
    """An arm, adjusted.

    Attributes:
        figures: as the plain ones.
        variance_saved: of the plain lift's variance, the part that is gone: 0.3 saves 30 % of the
            ads. None where there is no lift; below 0 where the past told nothing.
    """

    figures: ArmFigures
    variance_saved: float | None


def adjusted_lifts(
    outcomes: Outcomes, experiment: Experiment, before: Before
) -> dict[str, Adjusted] | None:
    """By arm; None where it cannot be: no user was there before, or users change their arm.

    Args:
        outcomes: with closed windows alone.
    """
    if experiment.allocation != "fixed" or not len(outcomes) or not before.returning.any():
        return None
    plain = click_rates(outcomes, experiment)
    users = len(plain.influence)
    seen = np.zeros((users, len(outcomes.arms)), bool)
    seen[outcomes.user, outcomes.arm] = True
    adjusted = adjusted_rates(plain, seen, before.covariates()[:users])
    control = outcomes.arms.index(experiment.control_arm)
    found = {}
    for n, (name, figures) in enumerate(arm_figures(outcomes, experiment, adjusted).items()):
        saved = None
        ratios = (plain.log_ratio(n, control), adjusted.log_ratio(n, control))
        if n != control and ratios[0] and ratios[1] and ratios[0].error:
            saved = 1 - (ratios[1].error / ratios[0].error) ** 2
        found[name] = Adjusted(figures, saved)
    return found
