"""Clicks come back after fashion has moved: `python -m tests.benchmarks.drift_recovery`.

Runs `adloom demo` once a seed: another crowd and another fashion each time. From round 2 on which
look shoppers want depends on the product's category, and a trend scene and tone that the base
rarely draws are in, so that no history from before can tell. `--drift half`: half of the shoppers
go along, and the others stay as they are. `--drift launch`: that is so for new products alone,
which then are half of what is visited.

Recovered is the share of the gap between the frozen arm and an oracle that knows every taste which
learning closed by the last round, from the chances of a click. Where not everybody is in fashion
nobody could close it, since clicks tell of a taste only in part: there the gap is that to a reader
who knows the fashion, and of a taste what the clicks before told, by Bayes' rule. Exits with 1
when the mean is below the target.

A seed whose summary is in the folder already is not run again.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import t

from adloom.loop.demo.parts import DemoPlan
from adloom.loop.demo.shop.fashion import Drift
from adloom.loop.settings import load_settings

TARGET = 0.7
ADS_PER_ROUND = 96
"""A seed's figure is of one round's ads: with fewer of them it would be mostly chance."""
_CURVES = ("frozen", "learning", "ideal", "oracle")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--drift", choices=get_args(Drift), default="everybody", help="who follows")
    parser.add_argument("--jobs", type=int, default=1, help="seeds run at a time")
    parser.add_argument("--out", type=Path, default=Path("out/drift"))
    parser.add_argument("--json", action="store_true", help="print as JSON")
    given = parser.parse_args(arguments)
    plan = DemoPlan(rounds=given.rounds, ads_per_round=ADS_PER_ROUND, drift=given.drift)
    result = figures(summaries(plan, given.seeds, given.out / given.drift, given.jobs))
    if given.json:
        print(json.dumps(result, indent=2))
    else:
        _show(result)
    of = "recovered" if given.drift == "everybody" else "recovered_of_ideal"
    return 0 if result[of]["mean"] >= TARGET else 1


def summaries(plan: DemoPlan, seeds: int, out: Path, jobs: int) -> list[dict[str, Any]]:
    """What demo runs of a plan came to, by seed."""
    run = partial(run_seed, plan=plan, out=out, jobs=jobs)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        found = track(
            pool.map(run, range(seeds)),
            total=seeds,
            description="Demo runs",
            console=Console(stderr=True),
        )
        return list(found)


def run_seed(seed: int, *, plan: DemoPlan, out: Path, jobs: int) -> dict[str, Any]:
    """The summary of a demo run, made anew only where there is none."""
    folder = out / f"seed-{seed}"
    summary = folder / "summary.json"
    if not summary.exists():
        import torch

        from adloom.loop.demo.demo import run_demo

        torch.set_num_threads(max(1, multiprocessing.cpu_count() // jobs))
        settings = load_settings(home=folder / "home")
        run_demo(settings, replace(plan, seed=seed), folder, Console(quiet=True))
    read: dict[str, Any] = json.loads(summary.read_text())
    return read


def figures(summaries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean and 95 % t interval over the runs, and the mean curves by round."""
    drift = [summary["drift"] for summary in summaries]
    recovered = {
        of: [float(one[of]) for one in drift] for of in ("recovered", "recovered_of_ideal")
    }
    return {
        **{of: {**interval(found), "by_seed": found} for of, found in recovered.items()},
        "expected_ctr_by_round": {
            name: np.mean([one["expected_ctr_by_round"][name] for one in drift], axis=0).tolist()
            for name in _CURVES
        },
        "promoted": [sum(r["promoted"] for r in s["rounds"]) for s in summaries],
        "minutes": [s["seconds"] / 60 for s in summaries],
    }


def interval(values: Sequence[float]) -> dict[str, float]:
    """Mean and its 95 % t interval; without a second value the interval is unbounded."""
    mean, n = float(np.mean(values)), len(values)
    reach = math.inf if n < 2 else float(t.ppf(0.975, n - 1) * np.std(values, ddof=1) / n**0.5)
    return {"mean": mean, "low": mean - reach, "high": mean + reach}


def _show(result: dict[str, Any]) -> None:
    console = Console()
    curves = result["expected_ctr_by_round"]
    rounds = range(1, len(curves["oracle"]) + 1)
    table = Table("Expected click-through rate", *(f"round {n}" for n in rounds), box=None)
    for name, rates in curves.items():
        table.add_row(name, *(f"{rate:.1%}" for rate in rates))
    console.print(table)
    for of, whom in (("recovered", "the oracle"), ("recovered_of_ideal", "the ideal reader")):
        found = result[of]
        console.print(
            f"Recovered of the gap to {whom}: {found['mean']:.0%} "
            f"({found['low']:.0%} to {found['high']:.0%}), by seed "
            + ", ".join(f"{value:.0%}" for value in found["by_seed"])
        )


if __name__ == "__main__":
    sys.exit(main())
