"""Tests that may be looked at after every exposure: their error holds over all looks together.

confseq, the library for these, ships no wheels and does not build everywhere; the two that are
needed have closed forms.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from adloom.loop.experiments.statistics.clusters import t_reach

_CONCENTRATION = 100.0


def always_valid_reach(
    error: float, expected: float, alpha: float, units: float = math.inf
) -> float:
    """How far an always-valid interval reaches to either side of an estimate.

    The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024,
    "Time-uniform central limit theory and asymptotic confidence sequences", arXiv 2103.06476,
    theorem 2.2), which is Robbins' normal mixture: with the information I = 1 / error² as its
    clock and N(0, expected²) as the mixture over effects,

        reach = error sqrt((1 + 1 / η) log((1 + η) / alpha²)),   η = I expected².

    Users come back, so the sum over users has no independent increments. What a user does later
    agrees with what the same user did before, if with anything; looks are then more alike than
    those of the Brownian motion that the boundary is made for, and by Slepian's inequality a
    false alarm only becomes rarer.

    The theorem is one of many users. Where few of them carry the error, the boundary of each look
    is moved to where Student's t has the tail that it has under the normal curve: what one look
    gives away is then as stated, and looks are no less alike.

    Args:
        error: standard error of the estimate at this look.
        expected: size of effect that is to be found soonest; to be fixed in advance.
        alpha: chance that the interval ever misses the truth.
        units: how many equal users the error rests on.
    """
    if error <= 0 or not math.isfinite(error):  # nothing varied yet: nothing is known
        return math.inf
    eta = (expected / error) ** 2
    errors = math.sqrt((1 + 1 / eta) * (math.log1p(eta) - 2 * math.log(alpha)))
    return error * t_reach(errors, units)


def sample_ratio_p_value(
    dealt: NDArray[np.int64], shares: NDArray[np.float64], concentration: float = _CONCENTRATION
) -> float:
    """Always-valid p-value that arms were dealt in other proportions than `shares`.

    The sequential multinomial test of Lindon and Malek (2022, "Anytime-valid inference for
    multinomial count data", arXiv 2011.03567): one over the Bayes factor of a Dirichlet prior
    around the shares against the shares themselves. Deals of different shares are tested apart
    and their factors multiplied. Valid at every look, it is larger than that of a chi-square test.

    Args:
        dealt: index of the arm that each unit was dealt, in the order of time.
        shares: float64, shape (units, arms), rows that add up to 1; rows with NaN are left out.
        concentration: of the prior; more looks for smaller mismatches.
    """
    known = ~np.isnan(shares).any(axis=1)
    dealt, shares = dealt[known], shares[known]
    if not len(dealt):
        return 1.0
    kinds, kind = _distinct_rows(shares)
    arms = shares.shape[1]
    counts = np.bincount(kind * arms + dealt, minlength=len(kinds) * arms).reshape(-1, arms)
    possible = kinds > 0
    if (counts[~possible] > 0).any():
        return 0.0
    prior = np.where(possible, concentration * kinds, 1.0)
    chances = np.where(possible, kinds, 1.0)
    log_factor = (
        (gammaln(prior + counts) - gammaln(prior) - counts * np.log(chances)).sum()
        + len(kinds) * gammaln(concentration)
        - gammaln(concentration + counts.sum(axis=1)).sum()
    )
    return float(min(1.0, math.exp(min(0.0, -log_factor))))


def _distinct_rows(
    rows: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The different rows, and which of them each row is; rows mostly equal the one before."""
    changes = np.flatnonzero((rows[1:] != rows[:-1]).any(axis=1)) + 1
    starts = np.concatenate([[0], changes])
    kinds, kind = np.unique(rows[starts], axis=0, return_inverse=True)
    lengths = np.diff(starts, append=len(rows))
    return kinds, np.repeat(kind.reshape(-1), lengths)
