"""How likings become clicks: one rule for single ads and for whole tables of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.floating]
Odds = TypeVar("Odds", float, Table)


@dataclass(frozen=True)
class ClickRule:
    """What each thing that is liked adds to the log odds of a click.

    With the defaults a shopper clicks 3 % of what leaves them cold; scene and tone together come
    to about 0.36, all of it to 0.5 and more.

    Attributes:
        cold: click-through rate of what leaves cold.
        scene, tone, palette, category: log odds of a liking of 1.
        nameless: log odds of a title that does not say what is sold, which puts people off.
        random_click: click-through rate of the share of looks that is mere noise.
    """

    cold: float = 0.03
    scene: float = 1.7
    tone: float = 1.2
    palette: float = 0.6
    category: float = 0.5
    nameless: float = -1.0
    random_click: float = 0.05

    def log_odds(
        self, scene: Odds, palette: Odds, tone: Odds, category: Odds, *, named: bool = True
    ) -> Odds:
        """Log odds of a click from likings, each 0 to 1, of a category -1 to 1."""
        start = math.log(self.cold / (1 - self.cold)) + (0.0 if named else self.nameless)
        return (
            start
            + self.scene * scene
            + self.tone * tone
            + self.palette * palette
            + self.category * category
        )

    def chance(self, log_odds: float, noise: float) -> float:
        """Chance of a click at the top of a page; ``noise`` is the share of looks that is noise."""
        interest = 1 / (1 + math.exp(-log_odds))
        return (1 - noise) * interest + noise * self.random_click

    def chances(self, log_odds: Table, noise: float) -> Table:
        """As :meth:`chance`, of each of ``log_odds``, in their shape."""
        interest = 1 / (1 + np.exp(-log_odds))
        return (1 - noise) * interest + noise * self.random_click
