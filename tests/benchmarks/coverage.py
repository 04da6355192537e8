"""Do intervals hold in hard cases? `python -m tests.benchmarks.coverage`

Nine cases (Thompson sampling twice), many experiments each: arms that do the same, and a planted
lift. Asked of each are 95 % intervals that hold the truth in 93 to 97 % of runs (at least 92 %
where a few users have much of the traffic), and false alarms in at most 5 % of runs that are
looked at 20 times. Beside the power of ours stands that of weighted least squares with users as
clusters, by statsmodels, at a single look at the end. Exits with 1 where chance alone does not
explain what differs from that.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import statsmodels.api as sm
from rich.console import Console
from rich.progress import track
from scipy.stats import binomtest

from adloom.loop.experiments.judgement import Verdict, judge
from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.experiments.thompson import best_arm_probabilities, effective_counts
from adloom.loop.statistics.rates import Interval
from tests.benchmarks.coverage_cases import CASES, Trial

_ALARMS = ("ship", "keep_control")


@dataclass(frozen=True)
class Run:
    """One experiment without a lift and one with it.

    Attributes:
        held: whether the 95 % intervals at the end held the truth, one an arm and experiment.
        alarmed: arms that do the same were told apart at some look.
        split_alarmed: the split was called bad at some look.
        missed: an always-valid interval missed the planted lift at some look.
        found: the lift was found, at some look.
        found_at_once: the 95 % interval at the end is above 0.
        peer_held: whether the peer's interval held that there is none.
        peer_found: the peer's is above 0.
        best_told: P(best) of arms that do the same is outside of .025 to .975.
        share: of the second arm in the last deal, where arms do the same.
    """

    held: list[bool]
    alarmed: bool
    split_alarmed: bool
    missed: bool
    found: bool
    found_at_once: bool
    peer_held: bool
    peer_found: bool
    best_told: bool
    share: float


def one_run(name: str, seed: int) -> Run:
    """The run of a case with a seed."""
    case = CASES[name]
    rng = np.random.default_rng([seed, sorted(CASES).index(name)])
    alike, lifted = case.make(rng, 0.0), case.make(rng, case.lift)
    quiet, planted = _watched(alike), _watched(lifted)
    counts = effective_counts(alike.outcomes, alike.definition).values()
    best = best_arm_probabilities(*zip(*counts, strict=True))
    nothing, something = _peer(alike.outcomes), _peer(lifted.outcomes)
    return Run(
        held=quiet.held + planted.held,
        alarmed=any(verdict in _ALARMS for verdict in quiet.verdicts),
        split_alarmed="bad_split" in quiet.verdicts,
        missed=planted.missed,
        found="ship" in planted.verdicts,
        found_at_once=planted.above,
        peer_held=nothing.low <= 0 <= nothing.high,
        peer_found=something.low > 0,
        best_told=bool((best > 0.975).any() or (best < 0.025).any()),
        share=float(alike.outcomes.shares[-1, 1]),
    )


@dataclass(frozen=True)
class _Watched:
    verdicts: list[Verdict]
    held: list[bool]
    missed: bool
    above: bool


def _watched(trial: Trial) -> _Watched:
    """Judged at every look; the last one counts for what is asked of one look."""
    verdicts, missed = [], False
    held: list[bool] = []
    above = False
    for seen in trial.looks():
        judged = judge(seen, trial.definition)
        verdicts.append(judged.verdict)
        truth = trial.truth(int(seen.closed.sum())) if seen.closed.any() else None
        held = []
        for arm, name in enumerate(seen.arms):
            lift = judged.arms[name].lift
            if arm == 0 or lift is None or truth is None:
                continue
            held.append(_holds(lift.interval, truth[arm]))
            missed |= not _holds(lift.always_valid, truth[arm])
            if arm == 1:
                above = lift.interval.low > 0
    return _Watched(verdicts, held, missed, above)


def _holds(interval: Interval, truth: float) -> bool:
    return bool(interval.low <= truth <= interval.high)


def _peer(outcomes: Outcomes) -> Interval:
    """Of the second arm's rate less the control's, at the end."""
    two = outcomes.where(outcomes.arm < 2)
    fit = sm.WLS(
        two.clicked.astype(np.float64), sm.add_constant(two.arm), weights=1 / two.propensity
    ).fit(cov_type="cluster", cov_kwds={"groups": two.user})
    low, high = fit.conf_int()[1]
    return Interval(float(low), float(high))


def _share(hits: Iterable[bool]) -> dict[str, float]:
    """Share of those that are true, with its 95 % Wilson interval."""
    found = np.fromiter(hits, bool)
    interval = binomtest(int(found.sum()), len(found)).proportion_ci(0.95, method="wilson")
    return {
        "share": float(found.mean()),
        "low": float(interval.low),
        "high": float(interval.high),
    }


def summary(name: str, runs: list[Run]) -> dict[str, Any]:
    """Shares over the runs of a case, and whether they are as asked."""
    coverage = _share(held for run in runs for held in run.held)
    alarms = _share(run.alarmed for run in runs)
    low, high = (0.92, 1.0) if CASES[name].heavy_tailed else (0.93, 0.97)
    found: dict[str, Any] = {
        "coverage": coverage,
        "coverage_holds": coverage["high"] >= low and coverage["low"] <= high,
        "false_alarms": alarms,
        "false_alarms_hold": alarms["low"] <= 0.05,
        "false_split_alarms": float(np.mean([run.split_alarmed for run in runs])),
        "missed_under_peeking": _share(run.missed for run in runs),
        "power": float(np.mean([run.found for run in runs])),
        "power_of_one_look": float(np.mean([run.found_at_once for run in runs])),
        "peer_power_of_one_look": float(np.mean([run.peer_found for run in runs])),
        "peer_coverage": float(np.mean([run.peer_held for run in runs])),
        "lift": CASES[name].lift,
        "runs": len(runs),
    }
    if name.startswith("thompson"):
        found["best_told_apart"] = _share(run.best_told for run in runs)
        found["mean_last_share"] = float(np.mean([run.share for run in runs]))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=500, help="of each case")
    parser.add_argument("--quick", action="store_true", help="20 runs of each case")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--case", action="append", choices=list(CASES), help="only this one")
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    given = parser.parse_args()
    runs, found = 20 if given.quick else given.runs, {}
    with ProcessPoolExecutor(given.jobs) as pool:
        for name in given.case or CASES:
            done = pool.map(one_run, [name] * runs, range(runs))
            console = Console(stderr=True, quiet=given.json)
            found[name] = summary(name, list(track(done, name, total=runs, console=console)))
    print(json.dumps(found, indent=2) if given.json else _table(found))
    held = (case["coverage_holds"] and case["false_alarms_hold"] for case in found.values())
    return 0 if all(held) else 1


def _table(found: dict[str, dict[str, Any]]) -> str:
    lines = [f"{'':30} coverage  alarms  power  one look   peer"]
    for name, case in found.items():
        lines.append(
            f"{name:30} {case['coverage']['share']:8.3f} {case['false_alarms']['share']:7.3f} "
            f"{case['power']:6.2f} {case['power_of_one_look']:9.2f} "
            f"{case['peer_power_of_one_look']:6.2f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
