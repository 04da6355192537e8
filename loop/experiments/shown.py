"""What an arm's shoppers saw: ads drawn for them, for another before, or the shop's own.

With a deadline and a cold pool an arm may show what it did not make, and be judged by it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from adloom.loop.experiments.outcomes import SOURCES, Outcomes

Shown = Mapping[str, float]
"""Shares of an arm's ads by where they came from; empty where no event says."""
_MUCH = 0.5


def shown_by_arm(outcomes: Outcomes) -> dict[str, Shown]:
    """By name of the arm; of all its ads whose events say their source, open windows too."""
    found: dict[str, Shown] = {}
    for number, arm in enumerate(outcomes.arms):
        of_arm = outcomes.source[(outcomes.arm == number) & (outcomes.source >= 0)]
        counts = np.bincount(of_arm, minlength=len(SOURCES))
        shares = (counts / max(1, len(of_arm))).tolist()
        found[arm] = dict(zip(SOURCES, shares, strict=True)) if len(of_arm) else {}
    return found


def mostly_the_shops(shown: Mapping[str, Shown]) -> list[str]:
    """A sentence for each arm that showed more of the shop's own ads than of adloom's."""
    return [
        f"{shares['shop']:.0%} of the ads of {arm} were the shop's own, not adloom's: its rate "
        "says little of what the arm draws (give a longer deadline, or more ads time to gather)"
        for arm, shares in shown.items()
        if shares.get("shop", 0.0) > _MUCH
    ]
