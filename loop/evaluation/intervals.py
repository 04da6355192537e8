"""Means with bootstrap intervals, of many figures of the same records at once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from adloom.models.quality.distance import kernel_distance

Name = TypeVar("Name", bound=Hashable)

_RESAMPLES = 2000
_AT_ONCE = 50
_SUBSETS = 200
_MOST = 1000


@dataclass(frozen=True)
class Figure:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


def mean_intervals(
    values: Mapping[Name, NDArray[np.float64]], *, seed: int = 0
) -> dict[Name, Figure]:
    """Mean of each row of values with its percentile bootstrap interval.

    All are resampled alike: the difference of two figures of the same records is a figure too.

    Args:
        values: by name, ``(records,)`` each; at least two records.
        seed: of the resampling.

    Raises:
        ValueError: fewer than two records.
    """
    table = np.stack(list(values.values()), axis=1)
    records = len(table)
    if records < 2:
        raise ValueError("an interval needs two records at the least")
    rng = np.random.default_rng(seed)
    chances = np.full(records, 1 / records)
    means = np.concatenate(
        [
            rng.multinomial(records, chances, size=_AT_ONCE) @ table / records
            for _ in range(_RESAMPLES // _AT_ONCE)
        ]
    )
    low, high = np.percentile(means, (2.5, 97.5), axis=0)
    return {
        name: Figure(float(table[:, n].mean()), float(low[n]), float(high[n]))
        for n, name in enumerate(values)
    }


def ratio_interval(
    parts: NDArray[np.float64], wholes: NDArray[np.float64], *, seed: int = 0
) -> Figure:
    """Sum of ``parts`` over that of ``wholes``, records ``(n,)`` of which both are resampled.

    Raises:
        ValueError: fewer than two records.
    """
    if len(parts) < 2:
        raise ValueError("an interval needs two records at the least")
    rng, chances = np.random.default_rng(seed), np.full(len(parts), 1 / len(parts))
    times = rng.multinomial(len(parts), chances, size=_RESAMPLES)
    low, high = np.percentile((times @ parts) / (times @ wholes), (2.5, 97.5))
    return Figure(float(parts.sum() / wholes.sum()), float(low), float(high))


def distance_interval(
    drawn: NDArray[np.float32],
    clicked: NDArray[np.float32],
    *,
    seed: int = 0,
    scale: float = 1.0,
) -> Figure:
    """Kernel distance of all pictures, with the range of 95 % of random halves.

    Drawing with replacement would put a picture beside its own copy and bias the distance, so
    the halves are drawn without; they spread wider than the whole sample does. Of many pictures
    the parts have 1,000, and their mean is told.

    Args:
        drawn: features ``(n, width)``, n of at least 2.
        clicked: the same of the pictures that were clicked, ``(n, width)``.
        seed: of the drawing.
        scale: of the products of features, see `kernel_distance`.
    """
    rng = np.random.default_rng(seed)
    half = min(_MOST, max(2, len(drawn) // 2))
    distances = []
    for _ in range(_SUBSETS):
        some = rng.choice(len(drawn), half, replace=False)
        distances.append(kernel_distance(drawn[some], clicked[some], scale))
    low, high = np.percentile(distances, (2.5, 97.5))
    if len(drawn) > 2 * _MOST:
        return Figure(float(np.mean(distances)), float(low), float(high))
    return Figure(kernel_distance(drawn, clicked, scale), float(low), float(high))
