"""What the clicks on ads say of each of them, and how much is not known.

Source: smoothing of rates as an empirical Bayes prior of so many showings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PRIOR_SHOWINGS = 20.0
"""An ad's own rate counts as the pool's until it was shown about so often."""
_PRIOR_RATE = 0.1  # while nobody has clicked anything


@dataclass(frozen=True)
class Counted:
    """How often an ad was shown and clicked of late."""

    shown: int = 0
    clicked: int = 0


@dataclass(frozen=True)
class OwnClicks:
    """Of m ads that are shown beside one another.

    Attributes:
        odds: log-odds of each ad's smoothed rate over those of all together, float64, shape (m,).
        spreads: standard deviation of what is not known of each, in log-odds, float64, shape (m,).
    """

    odds: NDArray[np.float64]
    spreads: NDArray[np.float64]


def own_clicks(counted: Sequence[Counted]) -> OwnClicks:
    """Clicks beyond the showings do not count."""
    shown = np.array([one.shown for one in counted], np.float64)
    clicked = np.minimum([one.clicked for one in counted], shown)
    rate = (clicked.sum() + _PRIOR_RATE * PRIOR_SHOWINGS) / (shown.sum() + PRIOR_SHOWINGS)
    own = (clicked + rate * PRIOR_SHOWINGS) / (shown + PRIOR_SHOWINGS)
    odds = np.log(own / (1 - own)) - math.log(rate / (1 - rate))
    return OwnClicks(odds, 1 / np.sqrt((shown + PRIOR_SHOWINGS) * rate * (1 - rate)))
