"""Users who are shown far more ads than others: what each may weigh, and who they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.settings.experiments import Experiment

_HEAVY = 0.05  # of an arm's exposures
_FEWEST_EXPOSURES = 200  # in an arm, before anybody is called heavy
_MOST_NAMED = 5  # of an arm


@dataclass(frozen=True)
class HeavyUser:
    """A user with a large part of an arm's exposures.

    Attributes:
        share: the part that was shown to the user.
        weight: the part that the arm's rate gives the user.
    """

    user: str
    arm: str
    exposures: int
    share: float
    weight: float


def exposure_weights(outcomes: Outcomes, experiment: Experiment) -> NDArray[np.float64]:
    """What each exposure weighs in a rate, shape (n,): one over its propensity, winsorised.

    A user who saw more than `max_user_exposures` ads of an arm weighs as much as that many: all of
    the user's exposures weigh less, whether they were clicked or not.
    """
    weight = 1 / outcomes.propensity
    most = experiment.max_user_exposures
    if most is None or not len(outcomes):
        return weight
    _, cell, shown = np.unique(
        outcomes.user * len(outcomes.arms) + outcomes.arm, return_inverse=True, return_counts=True
    )
    return weight * np.minimum(1.0, most / shown)[cell]


def heavy_users(outcomes: Outcomes, experiment: Experiment) -> list[HeavyUser]:
    """The heaviest users of each arm, those first; of small arms none."""
    weight = exposure_weights(outcomes, experiment)
    found = []
    for arm, name in enumerate(outcomes.arms):
        here = outcomes.arm == arm
        shown = np.bincount(outcomes.user[here])
        if shown.sum() < _FEWEST_EXPOSURES:
            continue
        share = shown / shown.sum()
        weights = np.bincount(outcomes.user[here], weight[here])
        for user in np.argsort(-share, kind="stable")[:_MOST_NAMED]:
            if share[user] > _HEAVY:
                part = float(weights[user] / weights.sum())
                user_id = outcomes.users[user]
                found.append(HeavyUser(user_id, name, int(shown[user]), float(share[user]), part))
    return found
