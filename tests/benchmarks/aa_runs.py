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
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from scipy.stats import binomtest

from adloom.loop.experiments.judgement import Verdict, judge
from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.settings.experiments import Experiment
from tests.experiment_data import experiment, simulated, simulated_thompson

LOOK_EVERY = 100
VISITS = 5
"""How often a shopper comes in a run, on average."""
QUIET: tuple[Verdict, ...] = ("collecting", "undecided")


@dataclass(frozen=True)
class Ending:
    """How a run went: the first verdict that is an alarm, and after how many exposures."""

    verdict: Verdict
    winner: str | None
    exposures: int


def watched_run(
    seed: int,
    *,
    exposures: int,
    lift: float = 0.0,
    real_shares: tuple[float, float] = (0.5, 0.5),
    look_every: int = LOOK_EVERY,
) -> Ending:
    """One experiment with fixed shares, looked at until the first alarm or the end."""
    outcomes = simulated(
        exposures,
        users=exposures // VISITS,
        seed=seed,
        lift=lift,
        real_shares=real_shares,
    )
    return _watched(outcomes, experiment(), look_every, seed)


def watched_thompson_run(seed: int, *, exposures: int) -> Ending:
    """The same with Thompson sampling of arms that do the same, in 20 batches."""
    outcomes = simulated_thompson(
        exposures, users=exposures // VISITS, seed=seed, batch=exposures // 20
    )
    return _watched(outcomes, experiment(allocation="thompson"), LOOK_EVERY, seed)


def _watched(outcomes: Outcomes, definition: Experiment, look_every: int, seed: int) -> Ending:
    """Clicks come in late, in any order."""
    n = len(outcomes)
    arrives = np.arange(n) + np.random.default_rng(seed).geometric(1 / 50, n)
    for look in range(look_every, n + 1, look_every):
        so_far = outcomes.head(look)
        known = so_far.clicked & (arrives[:look] < look)
        judged = judge(replace(so_far, clicked=known), definition)
        if judged.verdict not in QUIET:
            return Ending(judged.verdict, judged.winner, look)
    return Ending("undecided", None, n)


def many_runs(run: Callable[[int], Ending], runs: int, label: str) -> list[Ending]:
    """Runs with seeds 0, 1, 2, ..., on all cores."""
    workers = os.cpu_count() or 1
    with ProcessPoolExecutor(workers) as pool:
        done = pool.map(run, range(runs), chunksize=max(1, runs // (20 * workers)))
        return list(track(done, label, total=runs, console=Console(stderr=True)))


def share(endings: list[Ending], wanted: Callable[[Ending], bool]) -> dict[str, float]:
    """Share of runs that ended as wanted, of `runs`, with its 95 % Wilson interval."""
    hits = sum(wanted(ending) for ending in endings)
    interval = binomtest(hits, len(endings)).proportion_ci(0.95, method="wilson")
    return {
        "runs": len(endings),
        "share": hits / len(endings),
        "low": interval.low,
        "high": interval.high,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1_000, help="A/A runs")
    parser.add_argument("--thompson-runs", type=int, default=200, help="A/A runs of that kind")
    parser.add_argument("--exposures", type=int, default=20_000, help="of an A/A run")
    parser.add_argument("--planted-runs", type=int, default=50, help="with a lift, a bad split")
    parser.add_argument("--planted-exposures", type=int, default=200_000, help="of those")
    given = parser.parse_args()
    alike = many_runs(partial(watched_run, exposures=given.exposures), given.runs, "A/A")
    sampled = many_runs(
        partial(watched_thompson_run, exposures=given.exposures), given.thompson_runs, "Thompson"
    )
    planted = partial(watched_run, exposures=given.planted_exposures, look_every=2_000)
    lifted = many_runs(partial(planted, lift=0.1), given.planted_runs, "Lift of 10 %")
    skewed = many_runs(
        partial(planted, real_shares=(0.52, 0.48)), given.planted_runs, "Split of 52 to 48"
    )
    found: dict[str, Any] = {
        "looks_per_run": given.exposures // LOOK_EVERY,
        "false_alarms": share(alike, lambda end: end.verdict not in QUIET),
        "false_alarms_thompson": share(sampled, lambda end: end.verdict not in QUIET),
        "lift_found": share(lifted, lambda end: end.winner == "other"),
        "lift_found_after": int(np.median([ending.exposures for ending in lifted])),
        "bad_split_flagged": share(skewed, lambda end: end.verdict == "bad_split"),
        "bad_split_flagged_after": int(np.median([ending.exposures for ending in skewed])),
        "verdicts": Counter(ending.verdict for ending in alike),
    }
    print(json.dumps(found, indent=2))
    alarms = max(found["false_alarms"]["share"], found["false_alarms_thompson"]["share"])
    finds = min(found["lift_found"]["share"], found["bad_split_flagged"]["share"])
    return 0 if alarms <= 0.05 and finds >= 0.8 else 1


if __name__ == "__main__":
    sys.exit(main())
