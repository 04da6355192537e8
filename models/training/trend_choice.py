"""How much of a trend a round goes by: as much as clicks that it never learns from ask for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_1samp

from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import Example
from adloom.models.settings import FineTuneSettings
from adloom.models.training.click_lessons import TrainingClicks
from adloom.models.training.data_parallel import own_share, summed
from adloom.models.training.example_loss import log_likelihoods
from adloom.models.trends import Trends

_CHANCE = 0.05
"""How often a gain may be taken for one where there is none."""


def choose_trend_items(
    generator: AdGenerator, clicks: TrainingClicks, settings: FineTuneSettings
) -> int:
    """Give the active, untrained adapter the new trends, with as many items of them as foretell
    the held-out clicks best; where they do so by no more than chance, with the fewest.

    A round that follows a trend learns ten times as fast, so that one of chance does harm.
    """
    assert generator.active is not None
    fewest = min(settings.trend.items)
    chosen = fewest
    if clicks.trends and clicks.heldout:
        foretold = {}
        for items in settings.trend.items:
            generator.know_trends(generator.active, Trends(items, clicks.trends))
            foretold[items] = _foretold(generator, clicks.heldout, settings.batch_size)
        best = max(foretold, key=lambda items: (foretold[items].mean(), -items))
        if beyond_chance(foretold[best] - foretold[fewest], among=len(foretold) - 1):
            chosen = best
    generator.know_trends(generator.active, Trends(chosen, clicks.trends))
    return chosen


def beyond_chance(gains: NDArray[np.floating], among: int = 1) -> bool:
    """Whether gains ``(n,)``, one a click, are above 0 by more than chance: a one-sided t test.

    Two are the least that can tell anything. ``among`` is of how many they are the best, each of
    which chance may favour (Bonferroni).
    """
    if len(gains) < 2 or gains.mean() <= 0:
        return False
    if np.ptp(gains) == 0:
        return True
    return bool(ttest_1samp(gains, 0.0, alternative="greater").pvalue < _CHANCE / among)


def _foretold(
    generator: AdGenerator, examples: Sequence[Example], batch_size: int
) -> NDArray[np.float64]:
    """Log likelihood of each ad times its weight, ``(n,)``; processes that train together deal the
    batches."""
    found = np.zeros(len(examples))
    starts = range(0, len(examples), batch_size)
    for number in own_share(len(starts)):
        rows = slice(starts[number], starts[number] + batch_size)
        found[rows] = log_likelihoods(generator, examples[rows], batch_size)
    return np.array(summed(found.tolist())) * np.array([example.weight for example in examples])
