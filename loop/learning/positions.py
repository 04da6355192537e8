"""What a click says by where on its page the ad stood: inverse propensity of being looked at.

Fewer people look further down, so a click there says more than one at the top, and an ad that was
left there says little. A lesson weighs one over how likely its position is looked at, clipped
(Joachims, Swaminathan and Schnabel, 2017, "Unbiased learning-to-rank with biased feedback").

Two corrections are left out on purpose. The propensity that is logged with an ad is that of the
arm or variant that drew it; a lesson is of the ad, and learns what to draw for a shopper whichever
arm showed it, so that it has nothing to be divided by. And a doubly robust lesson adds, for each
showing, the click model's guess less its weighted guess: guess * (1 - weight * examination). That
is 0 wherever the weight is not clipped, and beyond the clip the guess rests on hardly any clicks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adloom.loop.statistics.position_based import fitted_positions

_OFTEN = 8
"""Showings from which on an ad stands for itself; fewer count with others of the same product."""


def examination_by_position(shown: pd.DataFrame) -> dict[int, float]:
    """How likely each position is looked at, 0..1, the one looked at most being 1.

    Of the showings that tell their position; empty where none does. Clicks count at the position
    of the showing that they answer.

    Args:
        shown: what `label_exposures` found, perhaps with a column ``position``.
    """
    if "position" not in shown or not shown["position"].notna().any():
        return {}
    shown = shown[shown["position"].notna()]
    clicked = shown["clicked_at"].notna().to_numpy(bool)
    model = fitted_positions(shown["position"].to_numpy(np.int64), _groups(shown), clicked)
    return dict(zip(model.positions.tolist(), model.examination.tolist(), strict=True))


def _groups(shown: pd.DataFrame) -> NDArray[np.int64]:
    """What attracts alike: an ad, or the rarely shown ads of a product, the shop's and adloom's
    apart, since adloom's stand on top and may well be better: shape ``(n,)``, from 0."""
    often = shown.groupby("ad_id")["ad_id"].transform("size") >= _OFTEN
    own = "ad\t" + shown["ad_id"].astype(str)
    product = shown["kind"].astype(str) + "\t" + shown["item_id"].astype(str)
    return pd.factorize(own.where(often, product))[0].astype(np.int64)


def click_weights(
    positions: Sequence[int | None], examination: Mapping[int, float], most: float | None
) -> list[float]:
    """The weight of each clicked lesson; their mean is 1.

    One over how likely the position is looked at, at most ``most``, over the mean of these. A
    lesson of whose position nothing is known weighs 1, as all do where ``most`` is None or 1.

    Args:
        positions: of the lessons, None where it is not known.
        examination: of `examination_by_position`.
        most: how many times as much as one that everybody looks at, at most; at least 1.
    """
    weights = np.ones(len(positions))
    known = np.array([position in examination for position in positions], dtype=bool)
    if most is None or not known.any():
        return [1.0] * len(positions)
    looked_at = [examination[at] for at in positions if at is not None and at in examination]
    raw = 1 / np.maximum(looked_at, 1 / most)
    if np.ptp(raw) > 0:  # else exactly 1: dividing by the mean would round
        weights[known] = raw / raw.mean()
    return [float(weight) for weight in weights]


def left_weight(
    position: int | None, examination: Mapping[int, float], most: float | None
) -> float:
    """How much an ad that was left says: as much as it is likely that it was looked at.

    1 where nothing is known of its position, or ``most`` (see `click_weights`) is None or 1.
    """
    if most is None or position is None:
        return 1.0
    return max(examination.get(position, 1.0), 1 / most)
