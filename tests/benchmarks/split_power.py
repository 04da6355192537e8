"""How often the split check finds a bad split, beside a fixed test that looks once.

    python -m tests.benchmarks.split_power [--quick] [--runs 300]

Prints the shares of runs found, as JSON; exits 1 where a fair split is called bad too often.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from typing import Any

import numpy as np
from scipy.stats import norm

from adloom.loop.statistics.split import dealing_evidence, split_check
from tests.experiment_data import simulated

LEVEL = 0.01
"""Of the check, over all looks; a fixed test at 0.001 is its like in a month of daily looks."""
_FIXED = float(norm.isf(0.001 / 2))
_OF_USERS = math.log(0.8)  # what the test of users has of the check's evidence


def dealt_by(odds: float, deals: int, batches: int, runs: int) -> dict[str, float]:
    """Shares of runs in which odds that are `odds` times what they should be are found."""
    rng = np.random.default_rng(0)
    here = fixed = 0
    for _ in range(runs):
        share = np.full(deals, 0.5)
        if batches > 1:
            share = np.repeat(rng.uniform(0.1, 0.9, batches), deals // batches)
        real = odds * share / (1 - share + odds * share)
        dealt = (rng.random(len(share)) < real).astype(np.int64)
        evidence = dealing_evidence(dealt, np.stack([1 - share, share], axis=1))
        here += evidence + _OF_USERS > -math.log(LEVEL)
        surplus = (dealt - share).sum() / math.sqrt((share * (1 - share)).sum())
        fixed += abs(surplus) > _FIXED
    return {"found": here / runs, "fixed_test": fixed / runs}


def logged_of(kept: float, exposures: int, users: int, runs: int) -> float:
    """Share of runs in which it is found that only `kept` of an arm's exposures were logged."""
    found = 0
    for seed in range(runs):
        fair = simulated(exposures, users=users, seed=seed)
        lucky = np.random.default_rng(seed).random(exposures) < kept
        logged = fair.where((fair.arm == 0) | lucky)
        check = split_check(
            unit=logged.user, user=logged.user, arm=logged.arm, shares=logged.shares, control=0
        )
        found += check.p_value < LEVEL
    return found / runs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=300, help="of each case")
    parser.add_argument("--quick", action="store_true", help="20 runs of each case")
    given = parser.parse_args()
    runs = 20 if given.quick else given.runs
    found: dict[str, Any] = {
        "runs": runs,
        "fair": dealt_by(1.0, 10_000, 1, runs),
        "fair_500_batches": dealt_by(1.0, 10_000, 500, runs),
        "48_to_52_of_10000": dealt_by(0.52 / 0.48, 10_000, 1, runs),
        "48_to_52_of_10000_in_50_batches": dealt_by(0.52 / 0.48, 10_000, 50, runs),
        "48_to_52_of_10000_in_500_batches": dealt_by(0.52 / 0.48, 10_000, 500, runs),
        "45_to_55_of_2000": dealt_by(0.55 / 0.45, 2_000, 1, runs),
        "49_to_51_of_40000": dealt_by(0.51 / 0.49, 40_000, 1, runs),
        "nothing_lost": logged_of(1.0, 20_000, 2_000, runs // 5),
        "30_percent_lost_10_ads_a_user": logged_of(0.7, 20_000, 2_000, runs // 5),
        "30_percent_lost_5_ads_a_user": logged_of(0.7, 20_000, 4_000, runs // 5),
    }
    print(json.dumps(found, indent=2))
    fair = [found["fair"]["found"], found["fair_500_batches"]["found"], found["nothing_lost"]]
    return 0 if max(fair) <= 0.05 else 1


if __name__ == "__main__":
    sys.exit(main())
