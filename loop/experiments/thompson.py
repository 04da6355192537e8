"""Thompson sampling of arms: shares are the probabilities of being the best, given the clicks.

Thompson (1933), with Beta(1, 1) priors on the arms' click-through rates; in batches, so that a
user stays in an arm for a while and every propensity is known (Chapelle and Li, 2011, give the
method for delayed feedback).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import beta

_POINTS = 2_048


def best_arm_probabilities(impressions: Sequence[int], clicks: Sequence[int]) -> np.ndarray:
    """Probability that each arm has the highest rate, float64, shape (arms,), adding up to 1.

    Deterministic: the posterior of each arm is cut into slices of equal probability.
    """
    shown, clicked = (np.asarray(counts, np.float64) for counts in (impressions, clicks))
    above, below = 1 + clicked, 1 + shown - clicked
    middles = (np.arange(_POINTS) + 0.5) / _POINTS
    rates = beta.ppf(middles[None, :], above[:, None], below[:, None])
    lower = beta.cdf(rates[:, :, None], above, below)
    own = np.arange(len(shown))
    lower[own, :, own] = 1.0
    best = lower.prod(axis=2).mean(axis=1)
    return best / best.sum()


def thompson_shares(
    arms: Sequence[str], counts: Mapping[str, tuple[int, int]], *, explore: float
) -> dict[str, float]:
    """Shares for the next batch.

    Args:
        counts: (impressions, clicks) of each arm so far; none is (0, 0).
        explore: part that is split evenly, so that no arm is ever given up.
    """
    shown, clicked = zip(*(counts.get(arm, (0, 0)) for arm in arms), strict=True)
    best = best_arm_probabilities(shown, clicked)
    shares = (1 - explore) * best + explore / len(arms)
    return dict(zip(arms, shares.tolist(), strict=True))
