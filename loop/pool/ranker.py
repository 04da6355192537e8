"""Chooses among finished ads: by likeness, by their own clicks, and with a chance for new ones.

The score of an ad is the expected log-odds of a click: likeness to what the shopper clicked, the
ad's own smoothed click-through rate, its freshness. What is not known of an ad that few have seen
is a normal distribution around its score; Thompson sampling draws from it, and how likely the
chosen one was is exact, by quadrature, so that off-policy estimates hold.

Sources: Thompson sampling as in Chapelle and Li, "An Empirical Evaluation of Thompson Sampling",
NeurIPS 2011.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from adloom.loop.pool.members import Members
from adloom.loop.pool.own_clicks import OwnClicks
from adloom.loop.pool.taste import LIKENESS, Taste

FEATURES = ("picture", "title", "own_clicks", "freshness")
"""In the order of `features`."""
_FRESH_DAYS = 7.0
_GRID = np.linspace(-6.0, 6.0, 97)
_NARROW, _STEPS = 0.5, 4
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
class Choice:
    """The ad that was chosen.

    Attributes:
        number: of the ad.
        propensity: how likely it was, of all that might have been chosen.
        features: float64, shape (4,), what the ranker saw of it.
    """

    number: int
    propensity: float
    features: NDArray[np.float64]


class Ranker:
    """Scores and chooses; ``explore`` stretches what is not known of an ad, 0 leaves it out."""

    def __init__(self, weights: Weights, explore: float) -> None:
        self.weights = weights
        self._array = weights.array()
        self._explore = explore

    def features(
        self, members: Members, taste: Taste, clicks: OwnClicks, now: datetime
    ) -> NDArray[np.float64]:
        """Float64, shape (m, 4), in the order of `FEATURES`."""
        age = np.maximum(0.0, now.timestamp() - members.made_at) / _DAY
        fresh = np.exp(-age / _FRESH_DAYS)
        return np.column_stack([members.likeness(taste), clicks.odds, fresh])

    def likeness_score(self, likeness: NDArray[np.floating]) -> NDArray[np.float64]:
        """What likeness, shape (m, 2), gives to the log-odds; shape (m,)."""
        return np.asarray(likeness, np.float64) @ self._array[:LIKENESS]

    def choose(
        self,
        features: NDArray[np.float64],
        clicks: OwnClicks,
        rng: np.random.Generator,
    ) -> Choice:
        """One of m ads, by Thompson sampling."""
        scores = features @ self._array
        spread = self._explore * clicks.spreads
        if self._explore == 0 or len(scores) == 1:
            number = int(np.argmax(scores))
            propensity = 1.0
        else:
            number = int(np.argmax(scores + spread * rng.standard_normal(len(scores))))
            propensity = chance(scores, spread, number)
        return Choice(number, propensity, features[number])


def fit_of(
    ranker: Ranker, drawn: NDArray[np.float32], taste: Taste, choice: Choice
) -> float | None:
    """How good a chosen ad is beside ads drawn anew: the share that was less like what was clicked.

    One more than there are is counted, since of few little is known.

    Args:
        drawn: of ads of the product, as `Taste.likeness` has it, by the clicks of whom each was
            drawn for, shape (n, 2).
        taste: of who is to see it.

    Returns:
        0..1; None where there is nothing to compare with, or no clicked ad is known.
    """
    if not len(taste) or not len(drawn):
        return None
    anew = ranker.likeness_score(drawn)
    [ours] = ranker.likeness_score(choice.features[None, :LIKENESS])
    return float((anew < ours).sum() / (len(anew) + 1))


def chance(scores: NDArray[np.float64], spread: NDArray[np.float64], number: int) -> float:
    """How likely Thompson sampling chooses an ad: the integral over where its draw lies.

    Args:
        scores, spread: of independent normal distributions, shape (m,); no spread is 0.
    """
    others = np.delete(np.arange(len(scores)), number)
    grid = _grid(scores[others], spread[others], scores[number], spread[number])
    at = scores[number] + spread[number] * grid
    below = ndtr((at[:, None] - scores[others]) / spread[others]).prod(axis=1)
    density = np.exp(-(grid**2) / 2) / math.sqrt(2 * math.pi)
    found = float(np.trapezoid(below * density, grid))
    return min(1.0, max(found, 1e-9))


def _grid(
    scores: NDArray[np.float64], spread: NDArray[np.float64], score: float, own: float
) -> NDArray[np.float64]:
    """Where the integrand is looked at, in spreads of the chosen one: finer about narrow others.

    Below the highest of the narrow ones it is next to nothing, so that the few highest will do.
    """
    narrow = np.flatnonzero(spread < own * _NARROW)
    if not len(narrow):
        return _GRID
    highest = narrow[np.argsort(scores[narrow])[-_STEPS:]]
    about = scores[highest, None] + spread[highest, None] * _GRID[::4]
    fine = ((about - score) / own).ravel()
    return np.unique(np.concatenate([_GRID, fine[np.abs(fine) < _GRID[-1]]]))
