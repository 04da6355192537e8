"""Thompson sampling of arms: shares are the probabilities of being the best, given the clicks.

Thompson (1933), with Beta(1, 1) priors on the arms' click-through rates; in batches, so that a
user stays in an arm for a while and every propensity is known (Chapelle and Li, 2011, give the
method for delayed feedback).

What an arm learns from are no plain counts. Shares change while the times do, so exposures weigh
one over their propensity; and the ads of one user are no independent news, so the posterior is as
sure as the rate's clustered error says (effective sample sizes, after Kish, 1965).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import beta

from adloom.loop.experiments.heavy_users import exposure_weights
from adloom.loop.experiments.lifts import click_rates
from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.settings.experiments import Experiment
from adloom.loop.statistics.clusters import effective_units, t_quantile

_POINTS = 2_048
_LEVEL = 0.975


def effective_counts(outcomes: Outcomes, experiment: Experiment) -> dict[str, tuple[float, float]]:
    """(impressions, clicks) by arm, of as many independent ads as the judged exposures are worth.

    Clicks over impressions is the arm's weighted rate; r (1 - r) over the impressions its squared
    error, widened where few users carry it. An arm without a click, whose error nobody knows, has
    as many impressions as users of equal weight.
    """
    judged = outcomes.judged
    weight = exposure_weights(judged, experiment)
    rates = click_rates(judged, experiment)
    users = rates.effective_users
    counts = {}
    for arm, name in enumerate(judged.arms):
        rate = rates.estimate(arm)
        shown = effective_units(weight[judged.arm == arm])
        if rate.value > 0 and rate.error > 0:
            error = rate.error * t_quantile(_LEVEL, rate.units) / t_quantile(_LEVEL, math.inf)
            shown = min(shown, rate.value * (1 - rate.value) / error**2)
        else:
            shown = min(shown, float(users[arm]))
        counts[name] = (shown, shown * rate.value if shown else 0.0)
    return counts


def best_arm_probabilities(impressions: Sequence[float], clicks: Sequence[float]) -> np.ndarray:
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
    arms: Sequence[str], counts: Mapping[str, tuple[float, float]], *, explore: float
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
