"""Tests that may be looked at after every exposure: their error holds over all looks together.

confseq, the library for these, ships no wheels and does not build everywhere; the one that is
needed has a closed form.
"""

from __future__ import annotations

import math

from adloom.loop.statistics.clusters import t_reach


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
