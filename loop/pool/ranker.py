"""Chooses among finished ads: by likeness, by their own clicks, and with a chance for new ones.

The score of an ad is the expected log-odds of a click: likeness to what the shopper clicked, the
ad's own smoothed click-through rate, its freshness. What is not known of an ad that few have seen
is a normal distribution around its score; Thompson sampling draws from it, and how likely the
chosen one was is exact, by quadrature, so that off-policy estimates hold.

Sources: Thompson sampling as in Chapelle and Li, "An Empirical Evaluation of Thompson Sampling",
NeurIPS 2011; smoothing of rates as an empirical Bayes prior of so many showings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from adloom.loop.pool.looks import Look
from adloom.loop.pool.taste import LIKENESS, Taste

FEATURES = ("picture", "title", "own_clicks", "freshness")
"""In the order of `features`."""
PRIOR_SHOWINGS = 20.0
"""An ad's own rate counts as the pool's until it was shown about so often."""
_PRIOR_RATE = 0.1  # while nobody has clicked anything
_FRESH_DAYS = 7.0
_GRID = np.linspace(-6.0, 6.0, 97)
_DAY = 86_400.0


@dataclass(frozen=True)
class Weights:
    """Of a logistic regression of clicks on `FEATURES`."""

    picture: float = 1.0
    title: float = 0.5
    own_clicks: float = 1.0
    freshness: float = 0.1

    def array(self) -> NDArray[np.float64]:
        """Float64, shape (4,)."""
        return np.array([getattr(self, name) for name in FEATURES])

    def told(self) -> dict[str, float]:
        """By feature."""
        return asdict(self)


assert tuple(field.name for field in fields(Weights)) == FEATURES


@dataclass(frozen=True)
class Counted:
    """How often an ad was shown and clicked of late."""

    shown: int = 0
    clicked: int = 0


@dataclass(frozen=True)
class Candidate:
    """An ad that may be chosen. ``look`` is none where nobody knows what it is like."""

    ad_id: str
    look: Look | None
    made_at: datetime


@dataclass(frozen=True)
class Choice:
    """The ad that was chosen.

    Attributes:
        number: of the candidate.
        propensity: how likely it was, of all that might have been chosen.
        features: float64, shape (4,), what the ranker saw of it.
        odds: of a click, as expected before sampling.
    """

    number: int
    propensity: float
    features: NDArray[np.float64]
    odds: float


class Ranker:
    """Scores and chooses; ``explore`` stretches what is not known of an ad, 0 leaves it out."""

    def __init__(self, weights: Weights, explore: float) -> None:
        self.weights = weights
        self._array = weights.array()
        self._explore = explore

    def features(
        self,
        candidates: Sequence[Candidate],
        taste: Taste,
        counts: Mapping[str, Counted],
        now: datetime,
    ) -> NDArray[np.float64]:
        """Float64, shape (m, 4), in the order of `FEATURES`.

        An ad whose look nobody knows is as alike as the others are on average.
        """
        features = np.zeros((len(candidates), len(FEATURES)))
        known = [n for n, one in enumerate(candidates) if one.look is not None]
        looks = [look for n in known if (look := candidates[n].look) is not None]
        if looks:
            likeness = taste.likeness(looks)
            features[:, :LIKENESS] = likeness.mean(axis=0)
            features[known, :LIKENESS] = likeness
        counted = [counts.get(one.ad_id, Counted()) for one in candidates]
        features[:, LIKENESS] = own_clicks(counted)
        age = [max(0.0, (now - one.made_at).total_seconds()) / _DAY for one in candidates]
        features[:, LIKENESS + 1] = np.exp(-np.array(age) / _FRESH_DAYS)
        return features

    def likeness_score(self, likeness: NDArray[np.floating]) -> NDArray[np.float64]:
        """What likeness, shape (m, 2), gives to the log-odds; shape (m,)."""
        return np.asarray(likeness, np.float64) @ self._array[:LIKENESS]

    def choose(
        self,
        features: NDArray[np.float64],
        counted: Sequence[Counted],
        rng: np.random.Generator,
    ) -> Choice:
        """One of m candidates, by Thompson sampling."""
        scores = features @ self._array
        spread = self._explore * spreads(counted)
        if self._explore == 0 or len(scores) == 1:
            number = int(np.argmax(scores))
            propensity = 1.0
        else:
            number = int(np.argmax(scores + spread * rng.standard_normal(len(scores))))
            propensity = chance(scores, spread, number)
        return Choice(number, propensity, features[number], math.exp(scores[number]))


def fit_of(
    ranker: Ranker, drawn: Sequence[NDArray[np.float32]], taste: Taste, choice: Choice
) -> float | None:
    """How good a chosen ad is beside ads drawn anew: the share that was less like what was clicked.

    One more than there are is counted, since of few little is known.

    Args:
        drawn: of ads of the product, as `Taste.likeness` has it, by the clicks of whom each was
            drawn for, shape (2,); zeros where nothing was clicked.
        taste: of who is to see it; any ad fits who clicked nothing.

    Returns:
        0..1; None where there is nothing to compare with.
    """
    if not len(taste):
        return 1.0
    likeness = [one for one in drawn if one.any()]
    if not likeness:
        return None
    anew = ranker.likeness_score(np.stack(likeness))
    [ours] = ranker.likeness_score(choice.features[None, :LIKENESS])
    return float((anew < ours).sum() / (len(anew) + 1))


def pool_rate(counted: Sequence[Counted]) -> float:
    """The click-through rate of some ads together, smoothed."""
    shown = sum(one.shown for one in counted)
    clicked = sum(min(one.clicked, one.shown) for one in counted)
    return (clicked + _PRIOR_RATE * PRIOR_SHOWINGS) / (shown + PRIOR_SHOWINGS)


def own_clicks(counted: Sequence[Counted]) -> NDArray[np.float64]:
    """Log-odds of each ad's smoothed rate over those of all together; shape (m,)."""
    rate = pool_rate(counted)
    shown = np.array([one.shown for one in counted], np.float64)
    clicked = np.minimum([one.clicked for one in counted], shown)
    own = (clicked + rate * PRIOR_SHOWINGS) / (shown + PRIOR_SHOWINGS)
    return np.log(own / (1 - own)) - math.log(rate / (1 - rate))


def spreads(counted: Sequence[Counted]) -> NDArray[np.float64]:
    """Standard deviation of what is not known of each ad, in log-odds; shape (m,)."""
    rate = pool_rate(counted)
    shown = np.array([one.shown for one in counted], np.float64)
    return 1 / np.sqrt((shown + PRIOR_SHOWINGS) * rate * (1 - rate))


def chance(scores: NDArray[np.float64], spread: NDArray[np.float64], number: int) -> float:
    """How likely Thompson sampling chooses a candidate: the integral over where its draw lies.

    Args:
        scores, spread: of independent normal distributions, shape (m,); no spread is 0.
    """
    at = scores[number] + spread[number] * _GRID
    others = np.delete(np.arange(len(scores)), number)
    below = ndtr((at[:, None] - scores[others]) / spread[others]).prod(axis=1)
    density = np.exp(-(_GRID**2) / 2) / math.sqrt(2 * math.pi)
    found = float(np.trapezoid(below * density, _GRID))
    return min(1.0, max(found, 1e-9))
