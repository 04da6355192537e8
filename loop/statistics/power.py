"""How many ads a lift asks for, and which lift some ads can show: before and while they are shown.

The error of a log ratio of two rates is that of the delta method, √((1 - p₁) / c₁ + (1 - p₀) / c₀)
for c clicks at a rate p (Katz, Baptista, Azen and Pike, 1978), times the root of the design effect:
ads of one user are worth fewer than as many of different users (Kish, 1965, "Survey Sampling").
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from adloom.loop.statistics.anytime import always_valid_reach
from adloom.loop.statistics.rates import arm_rates

_LARGEST_LOG = 100.0
_FAR = 1e4  # an effect this many errors away is found for sure
_HALVINGS = 60  # of what two floating-point numbers leave room for


@dataclass(frozen=True)
class Design:
    """An arm beside the control, and the test that is made of it.

    Attributes:
        rate: clicks an ad under the control, within (0, 1).
        share, control_share: parts of all ads that the arm and the control show.
        alpha: chance of a false verdict, to either side.
        power: chance that a true effect is found, at least 0.5 and below 1.
        expected: log ratio that an always-valid interval is made to find soonest; None plans for
            one look at the end.
        margin: relative loss that is put up with: 0 asks for more clicks than the control's.
        design_effect: variance of a rate over that of as many ads of different users.
    """

    rate: float
    share: float = 0.5
    control_share: float = 0.5
    alpha: float = 0.05
    power: float = 0.8
    expected: float | None = None
    margin: float = 0.0
    design_effect: float = 1.0

    def __post_init__(self) -> None:
        """Raises ValueError where a figure is out of its range."""
        if not 0 < self.rate < 1:
            raise ValueError(f"rate: {self.rate} is not between 0 and 1")
        if not 0.5 <= self.power < 1:
            raise ValueError(f"power: {self.power} is not from 0.5 to below 1")

    def error(self, ads: float, lift: float) -> float:
        """Standard error of the log ratio after `ads` of all arms together."""
        rate = min(self.rate * (1 + lift), 1.0)
        one = (1 - rate) / (self.share * rate)
        other = (1 - self.rate) / (self.control_share * self.rate)
        return math.sqrt(self.design_effect * (one + other) / ads)

    def reach(self, error: float) -> float:
        """How far the interval goes to one side of the estimate."""
        if self.expected is None:
            return -float(ndtri(self.alpha / 2)) * error
        return always_valid_reach(error, self.expected, self.alpha)

    def distance(self, lift: float) -> float:
        """From where the interval must stay away to the truth, as a log ratio."""
        return abs(math.log1p(lift) - math.log1p(-self.margin))


def power_at(design: Design, ads: float, lift: float) -> float:
    """Chance that a look after `ads` of all arms together finds a lift.

    Of one look: whoever looks at an always-valid interval more often finds it rather sooner.
    """
    error = design.error(ads, lift)
    return float(ndtr((design.distance(lift) - design.reach(error)) / error))


def needed_error(design: Design, distance: float) -> float:
    """The largest standard error of a log ratio that finds a distance with the design's power."""
    if distance <= 0:
        return 0.0
    z = float(ndtri(design.power))

    def spare(log_error: float) -> float:
        error = math.exp(log_error)
        return (distance - design.reach(error)) / error - z

    return math.exp(_root(spare, math.log(distance / _FAR), math.log(distance)))


def ads_needed(design: Design, lift: float) -> float:
    """Ads of all arms together that find a lift with the design's power; infinite for none."""
    needed = needed_error(design, design.distance(lift))
    return (design.error(1.0, lift) / needed) ** 2 if needed else math.inf


def detectable_lift(design: Design, ads: float) -> float | None:
    """The smallest rise that `ads` find with the design's power; None where no rise is certain."""

    def spare(lift: float) -> float:
        return power_at(design, ads, lift) - design.power

    largest = min(_FAR, 1 / design.rate - 1)
    if ads <= 0 or spare(largest) < 0:
        return None
    lowest = max(0.0, 1e-9)
    return lowest if spare(lowest) >= 0 else _root(spare, lowest, largest)


def detectable_at(design: Design, error: float) -> float:
    """The smallest change that is found with the design's power at a standard error.

    A rise of the rate; with a margin, the loss that an arm without any change rules out.
    """
    distance = design.reach(error) + float(ndtri(design.power)) * error
    return -math.expm1(-distance) if design.margin else math.expm1(min(distance, _LARGEST_LOG))


def more_ads(ads: int, error: float, needed: float) -> int | None:
    """How many more ads bring an error down to the needed one; None where that is not known.

    The variance falls with the number of ads, of users who go on as those before them did.
    """
    if not (ads > 0 and needed > 0 and math.isfinite(error)):
        return None
    return max(0, math.ceil(ads * ((error / needed) ** 2 - 1)))


def design_effect(clicked: NDArray[np.bool_], user: NDArray[np.int64]) -> float:
    """How much more the rate of these ads varies than that of as many ads of different users.

    1 where there is too little to say more: fewer than two users, or no clicks, or only clicks.

    Args:
        clicked, user: shape (n,), one for each ad; users are numbers from 0.
    """
    n, rate = len(clicked), float(clicked.mean()) if len(clicked) else 0.0
    if n < 2 or not 0 < rate < 1 or int(user.max()) == int(user.min()):
        return 1.0
    one_arm = np.zeros(n, np.int64)
    found = arm_rates(clicked, arm=one_arm, user=user, weight=np.ones(n), arms=1)
    return max(1.0, float(found.error[0]) ** 2 * n / (rate * (1 - rate)))


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that rises, or falls, all the way between both ends is 0.

    By halving: all of `scipy.optimize` takes longer to load than a report to make.
    """
    rises = function(high) > 0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if (function(middle) > 0) == rises:
            high = middle
        else:
            low = middle
    return (low + high) / 2
