"""Can the experiment report be trusted? `python -m tests.benchmarks.aa_runs`

Exposures are simulated, the report's judgement is the real one. Arms that do the same (A/A) must
raise a false alarm in at most 5 % of runs though every run is looked at after every 100
exposures; a planted lift must be found, and a planted bad split flagged. Exits with 1 if not.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from rich.console import Console
from rich.progress import track
from scipy.stats import binomtest

from loop.experiments.judgement import BAD_SPLIT, COLLECTING, UNDECIDED, judge
from tests.experiment_data import experiment, simulated

LOOK_EVERY = 100
_QUIET = (COLLECTING, UNDECIDED)


@dataclass(frozen=True)
class Ending:
    """How a run went: its first verdict that is an alarm, and after how many exposures."""

    verdict: str
    exposures: int


def watched_run(
    seed: int,
    *,
    exposures: int,
    lift: float = 0.0,
    real_shares: tuple[float, float] = (0.5, 0.5),
    look_every: int = LOOK_EVERY,
) -> Ending:
    """One experiment, looked at until the first alarm or the end."""
    # A shopper comes about five times in the whole run; clicks come in late, in any order.
    outcomes = simulated(
        exposures, users=exposures // 5, seed=seed, lift=lift, real_shares=real_shares
    )
    arrives = np.arange(exposures) + np.random.default_rng(seed).geometric(1 / 50, exposures)
    definition = experiment()
    verdict = COLLECTING
    for n in range(look_every, exposures + 1, look_every):
        so_far = outcomes.head(n)
        known = so_far.clicked & (arrives[:n] < n)
        verdict = judge(replace(so_far, clicked=known), definition).verdict
        if verdict not in _QUIET:
            return Ending(verdict, n)
    return Ending(verdict, exposures)


def many_runs(run: Callable[[int], Ending], runs: int, label: str) -> list[Ending]:
    """Runs with seeds 0, 1, 2, ..., on all cores."""
    workers = os.cpu_count() or 1
    with ProcessPoolExecutor(workers) as pool:
        done = pool.map(run, range(runs), chunksize=max(1, runs // (20 * workers)))
        return list(track(done, label, total=runs, console=Console(stderr=True)))


def share(endings: list[Ending], wanted: Callable[[str], bool]) -> dict[str, float]:
    """Share of runs that ended as wanted, with its 95 % Wilson interval."""
    hits = sum(wanted(ending.verdict) for ending in endings)
    interval = binomtest(hits, len(endings)).proportion_ci(0.95, method="wilson")
    return {"share": hits / len(endings), "low": interval.low, "high": interval.high}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1_000, help="A/A runs")
    parser.add_argument("--exposures", type=int, default=20_000, help="of an A/A run")
    parser.add_argument(
        "--planted-runs", type=int, default=50, help="runs with a lift or bad split"
    )
    parser.add_argument("--planted-exposures", type=int, default=200_000, help="of those")
    given = parser.parse_args()
    alike = many_runs(partial(watched_run, exposures=given.exposures), given.runs, "A/A")
    planted = partial(watched_run, exposures=given.planted_exposures, look_every=2_000)
    lifted = many_runs(partial(planted, lift=0.1), given.planted_runs, "10 % lift")
    skewed = many_runs(
        partial(planted, real_shares=(0.52, 0.48)), given.planted_runs, "52 : 48 split"
    )
    false_alarms = share(alike, lambda verdict: verdict not in _QUIET)
    found = share(lifted, lambda verdict: verdict == "ship other")
    flagged = share(skewed, lambda verdict: verdict == BAD_SPLIT)
    print(
        json.dumps(
            {
                "aa_runs": given.runs,
                "looks_per_run": given.exposures // LOOK_EVERY,
                "false_alarms": false_alarms,
                "aa_verdicts": Counter(ending.verdict for ending in alike),
                "lift_found": found,
                "lift_found_after": _median([e.exposures for e in lifted]),
                "bad_split_flagged": flagged,
                "bad_split_flagged_after": _median([e.exposures for e in skewed]),
            },
            indent=2,
        )
    )
    trusted = false_alarms["share"] <= 0.05 and min(found["share"], flagged["share"]) >= 0.8
    return 0 if trusted else 1


def _median(values: list[int]) -> int:
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    sys.exit(main())
