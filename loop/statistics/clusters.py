"""How many users an estimate rests on when some weigh far more than others.

A standard error that is made of few parts is itself uncertain: intervals then take Student's t with
as many degrees of freedom as the error is worth, after Satterthwaite (1946, "An approximate
distribution of estimates of variance components"), which with clusters of unequal size are those
of Carter, Schnepel and Steigerwald (2017, "Asymptotic behavior of a t-test robust to cluster
heterogeneity").
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit  # scipy.stats takes a second to load

FAR = 37.0  # errors beyond which a normal tail is not told from 0


def effective_units(weights: NDArray[np.float64] | NDArray[np.int64]) -> float:
    """How many equal weights vary as these do: (Σw)² / Σw² (Kish, 1965); 0 where all are 0.

    Of users' weights it is the number of users that a mean rests on, and of the squares of what
    each user adds to an error the number of users that the error rests on.
    """
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def t_quantile(level: float, units: float) -> float:
    """The quantile of Student's t of an error that rests on so many units; at least one is free.

    Args:
        level: within (0, 1), such as 0.975.
        units: may be infinite: the normal quantile.
    """
    return float(stdtrit(max(1.0, units - 1), level))


def t_reach(errors: float, units: float) -> float:
    """How many standard errors have the tail under t that `errors` have under the normal curve."""
    if not math.isfinite(units):
        return errors
    return -float(stdtrit(max(1.0, units - 1), ndtr(-min(errors, FAR))))


def normal_errors(errors: float, units: float) -> float:
    """How many standard errors have the tail under the normal curve that `errors` have under t."""
    if not math.isfinite(units):
        return errors
    return -float(ndtri(stdtr(max(1.0, units - 1), -errors)))
