"""Means over what shoppers did, with intervals that hold where a shopper's rows are alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from adloom.loop.statistics.clusters import effective_units, t_quantile


@dataclass(frozen=True)
class Spread:
    """A mean and the ends of its interval; what is not known is nan, its interval unbounded."""

    mean: float
    low: float
    high: float


def weighted_mean(
    values: ArrayLike, shoppers: Sequence[str], confidence: float, weights: ArrayLike | None = None
) -> Spread:
    """The weighted mean of values whose errors may be correlated within a shopper.

    A ratio of two sums over shoppers, so its variance comes from the delta method; Student's t has
    as many degrees of freedom as there are effective shoppers (Kish, 1965), less one; with fewer
    than two of them nothing is known.

    Args:
        values: shape ``(n,)``.
        shoppers: whose each value is.
        confidence: of the interval, two-sided, 0..1.
        weights: shape ``(n,)``, none below 0; None = all alike.
    """
    value = np.asarray(values, dtype=np.float64)
    weight = np.ones(len(value)) if weights is None else np.asarray(weights, dtype=np.float64)
    _, shopper = np.unique(np.asarray(shoppers, dtype=str), return_inverse=True)
    total = float(weight.sum())
    if not total > 0 or not np.isfinite(value).all():
        return Spread(math.nan, -math.inf, math.inf)
    mean = float(weight @ value) / total
    of_each = np.bincount(shopper, weight)
    influence = np.bincount(shopper, weight * (value - mean)) / total
    clusters, effective = len(of_each), effective_units(of_each)
    if effective < 2:
        return Spread(mean, -math.inf, math.inf)
    error = math.sqrt(float(influence @ influence) * clusters / (clusters - 1))
    reach = error * t_quantile((1 + confidence) / 2, effective)
    return Spread(mean, mean - reach, mean + reach)
