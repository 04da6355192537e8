"""Were the arms dealt, and their exposures logged, as the shares say? Looked at as often as liked.

Lost users and lost exposures both make a comparison unfair, and either may stay unseen in the
other: so users, exposures and exposures a user are tested, and what they tell together is an
average of e-values (Vovk and Wang, 2021, "E-values: calibration, combination and applications"),
which has a correct level whatever hangs on what.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import logsumexp, ndtri

from adloom.loop.statistics.clusters import FAR, effective_units, normal_errors
from adloom.loop.statistics.rates import Estimate, arm_rates

_WEIGHTS = (0.8, 0.1, 0.1)
"""Of users, exposures, exposures a user: lost exposures are plain, few lost users are not."""
_TYPICAL_TILT = 0.1  # of the log odds, where 48:52 is 0.08
_TILTS_EACH_SIDE = 40
_FEWEST_DEALS, _LOOKS_APART = 20, 1.03
_EXPECTED_LOSS = 0.1  # on the scale of the logarithm
_UNTOLD = math.log(1.05)
"""Visits may change a little with what arms show, so exposures are tested beyond that."""


@dataclass(frozen=True)
class SplitCheck:
    """Always-valid p-values that a split is as defined.

    Attributes:
        users: that users were dealt other shares.
        exposures: that the shares of exposures differ by more than 5 % from those dealt.
        exposures_a_user: that users of some arm have over 5 % more or fewer than the control's.
        p_value: of the three together.
    """

    users: float = 1.0
    exposures: float = 1.0
    exposures_a_user: float = 1.0
    p_value: float = 1.0


def split_check(
    *,
    unit: NDArray[np.int64],
    user: NDArray[np.int64],
    arm: NDArray[np.int64],
    shares: NDArray[np.float64],
    control: int,
    count_exposures: bool = True,
) -> SplitCheck:
    """Tests the split; exposures of unknown shares are left out.

    Args:
        unit: int64, shape (n,), of each exposure in the order of time: who was dealt an arm once.
        user: int64, shape (n,), numbers from 0: users vary, whatever they were dealt.
        arm: int64, shape (n,), that was dealt.
        shares: float64, shape (n, arms), what it was dealt by.
        control: the arm that the others' exposures a user are held against.
        count_exposures: False where arms may well differ in how many there are: users alone count.
    """
    known = ~np.isnan(shares).any(axis=1)
    if not known.any():
        return SplitCheck()
    _, first, counts = np.unique(unit[known], return_index=True, return_counts=True)
    order = np.argsort(first)  # units in the order of time
    first = first[order]
    user, arm, shares, counts = (
        user[known][first],
        arm[known][first],
        shares[known][first],
        counts[order],
    )
    evidence = [
        dealing_evidence(arm, shares),
        _evidence_of_shares(counts, user, arm, shares),
        _evidence_of_counts(counts, user, arm, shares, control),
    ]
    weights = np.array(_WEIGHTS) if count_exposures else np.array([1.0, 0.0, 0.0])
    with np.errstate(divide="ignore"):
        together = float(logsumexp(np.array(evidence) + np.log(weights)))
    return SplitCheck(*(_p_value(log_e) for log_e in (*evidence, together)))


def dealing_evidence(dealt: NDArray[np.int64], shares: NDArray[np.float64]) -> float:
    """Logarithm of the highest e-value so far that arms were dealt by other odds than `shares`.

    Under the shares, the likelihood ratio of "the odds of one arm are e^tilt times these" is a
    martingale for every tilt, and so is its mean over arms and tilts (the method of mixtures;
    Ramdas, Grünwald, Vovk and Shafer, 2023, "Game-theoretic statistics and safe anytime-valid
    inference"). One tilt holds in all batches: power does not hang on how often shares moved.
    The highest value ever is what Ville's inequality bounds, so evidence once seen stays.

    Args:
        dealt: int64, shape (n,), in the order of time.
        shares: float64, shape (n, arms).
    """
    rows = np.arange(len(dealt))
    if (shares[rows, dealt] <= 0).any():
        return math.inf
    sizes, weights = _tilts()
    ends = _looks(len(dealt))
    arms = shares.shape[1] if shares.shape[1] > 2 else 1  # of two, one says all
    part = np.searchsorted(ends, rows, side="right")  # between which looks each was dealt
    log_e = np.empty((arms, len(sizes), len(ends)))
    for arm in range(arms):
        kinds, kind = np.unique(shares[:, arm], return_inverse=True)
        made = csr_array((np.ones(len(dealt)), (part, kind)), shape=(len(ends), len(kinds)))
        hits = np.bincount(part, dealt == arm, len(ends))
        for number, tilt in enumerate(sizes):
            expected = made @ np.log1p(kinds * math.expm1(tilt))
            log_e[arm, number] = np.cumsum(tilt * hits - expected)
    mixed = logsumexp(log_e + weights[None, :, None], axis=(0, 1)) - math.log(arms)
    return float(mixed.max())


def _tilts() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Tilts of the log odds and the logarithms of their weights: log-normal, either sign."""
    middles = (np.arange(_TILTS_EACH_SIDE) + 0.5) / _TILTS_EACH_SIDE
    sizes = _TYPICAL_TILT * np.exp(ndtri(middles))
    both = np.concatenate([-sizes, sizes])
    return both, np.full(len(both), -math.log(len(both)))


def _looks(n: int) -> NDArray[np.int64]:
    """How many deals had been made when they were looked at: the same ones at every report."""
    if n <= _FEWEST_DEALS:
        return np.array([n])
    steps = int(math.log(n / _FEWEST_DEALS) / math.log(_LOOKS_APART))
    looks = (_FEWEST_DEALS * _LOOKS_APART ** np.arange(steps + 1)).astype(np.int64)
    return np.unique(np.append(looks, n))


def _evidence_of_shares(
    counts: NDArray[np.int64],
    user: NDArray[np.int64],
    arm: NDArray[np.int64],
    shares: NDArray[np.float64],
) -> float:
    """That an arm has more or fewer of the exposures than its share of the dealing says.

    Who comes often is dealt like everyone: an exposure over its arm's share is worth one on
    average, whichever arm it is.
    """
    found = []
    for own in range(shares.shape[1]):
        possible = shares[:, own] > 0
        share = np.where(possible, shares[:, own], 1.0)
        counted = counts * possible
        surplus = counted * ((arm == own) / share - 1.0)
        by_user = np.bincount(user, surplus)
        total = counted.sum()
        if total:
            relative = surplus.sum() / total
            error = math.sqrt((by_user**2).sum()) / total
            if relative > -1:  # on the scale of the logarithm
                units = effective_units(by_user**2)
                found.append(Estimate(math.log1p(relative), error / (1 + relative), units))
    return _mean_evidence(found)


def _evidence_of_counts(
    counts: NDArray[np.int64],
    user: NDArray[np.int64],
    arm: NDArray[np.int64],
    shares: NDArray[np.float64],
    control: int,
) -> float:
    """That users of an arm have more or fewer exposures each than the control's.

    Means of logarithms: of a bot's thousands of exposures little stays, of a loss all.
    """
    arms = shares.shape[1]
    weight = 1 / shares[np.arange(len(arm)), arm].clip(1e-6)
    rates = arm_rates(np.log(counts), arm=arm, user=user, weight=weight, arms=arms)
    others = [own for own in range(arms) if own != control and rates.users[own] > 1]
    if rates.users[control] < 2:
        return 0.0
    return _mean_evidence([rates.difference(own, control) for own in others])


def _mean_evidence(found: list[Estimate]) -> float:
    if not found:
        return 0.0
    return float(logsumexp([_evidence(one) for one in found]) - math.log(len(found)))


def _evidence(one: Estimate) -> float:
    """Logarithm of the e-value that a logarithm is further from 0 than what is not told.

    The normal mixture whose boundary `always_valid_reach` is, at the nearest end of what is not
    told; where few users carry the error, errors count as those under the normal curve that have
    the tail which they have under Student's t.
    """
    if not (one.error > 0 and math.isfinite(one.error)):
        return 0.0
    errors = max(0.0, abs(one.value) - _UNTOLD) / one.error
    errors = normal_errors(errors, one.units)
    eta = (_EXPECTED_LOSS / one.error) ** 2
    return 0.5 * (min(errors, FAR) ** 2 * eta / (1 + eta) - math.log1p(eta))


def _p_value(log_e: float) -> float:
    return math.exp(min(0.0, -log_e))
