"""What a shopper's clicks say of their taste, to somebody who knows the simulator's rules.

Bayes' rule over every taste that the simulator draws. A click says that an ad was on a page,
caught the eye and was liked; an impression without one, that it caught the eye and was left. What
is not the taste (how much a category is liked, attention, noise) is averaged over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adloom.loop.demo.shop.click_rule import ClickRule
from adloom.loop.demo.shop.simulator import ADS_LOOKED_AT, ADS_ON_A_PAGE
from adloom.loop.demo.shop.taste import ATTENTION
from adloom.loop.demo.shop.tastes import PALETTE, SCENE, TONE, Numbers, Tastes

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(3)
"""A category's liking lies evenly between -1 and 1: where a mean over it is taken."""
_VISIT_NODES = 5
_STEPS = 6


@dataclass(frozen=True)
class SeenAd:
    """An ad of the shop as shoppers see it: what is in it, each name with its weight."""

    scenes: Mapping[str, float]
    palettes: Mapping[str, float]
    tone: str | None
    category: str


@dataclass(frozen=True)
class Showing:
    """An ad that was looked at: its number among the shop's, where on the page, and what came."""

    ad: int
    position: int
    clicked: bool


class TasteReader:
    """Reads tastes from what shoppers did with a shop's ads; its tables are made once."""

    def __init__(
        self,
        ads: Sequence[SeenAd],
        *,
        noise: float,
        visits: tuple[int, int],
        rule: ClickRule | None = None,
    ) -> None:
        """``ads`` are more than a visit looks at; ``noise`` is what a shopper's is on average,
        ``visits`` the least and most that each made."""
        self.rule, self.noise = rule or ClickRule(), noise
        self._categories = [ad.category for ad in ads]
        self._visits = np.unique(np.linspace(*visits, _VISIT_NODES))
        likings = (
            SCENE.seen([ad.scenes for ad in ads])[:, :, None, None],
            PALETTE.seen([ad.palettes for ad in ads])[:, None, :, None],
            TONE.seen([{ad.tone: 1.0} if ad.tone else {} for ad in ads])[:, None, None, :],
        )
        # (liking of the category, ads, tastes)
        self._chance = np.stack([self._chances(likings, float(category)) for category in _NODES])
        looked = ADS_LOOKED_AT / min(ADS_ON_A_PAGE, len(ads))
        time = _time_to_look(self._chances(likings, 0.0), looked)
        self._seen = np.stack([-np.expm1(-chance * time) for chance in self._chance])
        least, most = ATTENTION
        powers = np.arange(1, ADS_LOOKED_AT + 1)
        self._attention = (most**powers - least**powers) / (powers * (most - least))
        """Mean over shoppers of the share that is left at each position."""
        clicks = self._seen * self._chance * np.float32(self._attention.mean())
        shown = min(1.0, ADS_ON_A_PAGE / len(ads))
        self._clicks_a_visit = {
            category: np.float32(shown) * clicks[:, np.equal(self._categories, category)].sum(1)
            for category in dict.fromkeys(self._categories)
        }

    def of_clicks(self, showings: Sequence[Showing]) -> Tastes:
        """What the clicks alone say: which ads, and that there were no others.

        Of an ad there are as many clicks as Poisson has it; how many visits there were is averaged
        over.
        """
        clicked = [showing for showing in showings if showing.clicked]
        by_category = self._by_category(clicked)
        told = []
        for visits in self._visits:
            told.append(np.full(self._chance.shape[-1], len(clicked) * np.log(visits), np.float32))
            for category, rate in self._clicks_a_visit.items():
                which = by_category.get(category, np.float32(0))
                told[-1] += _log_mean(which - np.float32(visits) * rate, _WEIGHTS)
        return Tastes(_log_mean(np.stack(told), np.ones(len(told))))

    def of_impressions(self, showings: Sequence[Showing]) -> Tastes:
        """What all that was looked at says, clicked or left."""
        told: Numbers = np.zeros(self._chance.shape[-1], dtype=np.float32)
        for by_liking in self._by_category(showings).values():
            told += _log_mean(by_liking, _WEIGHTS)
        return Tastes(told)

    def _chances(self, likings: tuple[Numbers, Numbers, Numbers], category: float) -> Numbers:
        odds = self.rule.log_odds(*likings, np.full((1, 1, 1, 1), category, np.float32))
        table: Numbers = self.rule.chances(odds, self.noise).astype(np.float32)
        return table.reshape(len(table), -1)

    def _by_category(self, showings: Sequence[Showing]) -> dict[str, Numbers]:
        """Log likelihood of those of each category, ``(liking of the category, tastes)``."""
        told: dict[str, Numbers] = {}
        for showing, times in Counter(showings).items():
            one = np.float32(times) * self._one(showing)
            category = self._categories[showing.ad]
            told[category] = told[category] + one if category in told else one
        return told

    def _one(self, showing: Showing) -> Numbers:
        """Log likelihood of one showing, ``(liking of the category, tastes)``."""
        chance, seen = self._chance[:, showing.ad], self._seen[:, showing.ad]
        left = 1 - chance * np.float32(self._attention[showing.position])
        return np.log(seen * (chance if showing.clicked else left))


def _time_to_look(weights: Numbers, looked: float) -> Numbers:
    """Until when ads must catch the eye to be looked at, for each taste ``(tastes,)``.

    The ads of a page are a race: each catches the eye after an exponential time whose rate is its
    chance. Solved is that a share ``looked`` of them does so in time, by Newton's method from
    below. Which others a page has, whom it also takes to be five, is left out.
    """
    time: Numbers = looked / weights.mean(0)
    for _ in range(_STEPS):
        late = np.exp(-weights * time)
        time = time + (late.mean(0) - (1 - looked)) / (weights * late).mean(0)
    return time


def _log_mean(logs: Numbers, weights: NDArray[np.float64]) -> Numbers:
    """Log of the mean of ``exp(logs)`` over the first axis."""
    most = logs.max(0)
    shares = (weights / weights.sum()).astype(logs.dtype)
    mean: Numbers = np.log(np.tensordot(shares, np.exp(logs - most), axes=1)) + most
    return mean
