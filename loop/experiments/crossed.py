"""Users who were seen in several arms although a user stays in one: each is judged by the first.

By intention to treat (Fisher and others, 1990; Hernán and Robins, 2020, "Causal Inference: What
If", chapter 22): only the first arm was dealt by chance alone. To leave such users out would take
the frequent ones out of one arm more than out of the other, as weights that move do; to count each
exposure where it was drawn would carry a user's habits from arm to arm. What it costs is that
some of an arm's users saw another's ads: lifts come out smaller, never turned round.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.settings.experiments import Experiment

FEW = 0.01
"""Share of users that may cross without a word on what that does to lifts."""


def units(outcomes: Outcomes, experiment: Experiment) -> NDArray[np.int64]:
    """Who was dealt an arm once, int64, shape (n,): a user, under Thompson sampling in a batch."""
    return outcomes.user if experiment.allocation == "fixed" else outcomes.deal


def by_first_arm(outcomes: Outcomes, experiment: Experiment) -> Outcomes:
    """The exposures in the arm that their user was dealt first, with that deal's chances."""
    _, first, unit = np.unique(units(outcomes, experiment), return_index=True, return_inverse=True)
    dealt = first[unit]
    return replace(
        outcomes,
        arm=outcomes.arm[dealt],
        propensity=outcomes.propensity[dealt],
        shares=outcomes.shares[dealt],
    )


def crossed_users(outcomes: Outcomes) -> int:
    """How many users were seen in more than one arm."""
    pairs = np.unique(outcomes.user * len(outcomes.arms) + outcomes.arm)
    return int((np.bincount(pairs // len(outcomes.arms)) > 1).sum())
