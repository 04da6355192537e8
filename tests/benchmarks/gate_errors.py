"""How often the gate errs: `python -m tests.benchmarks.gate_errors`.

For each seed a crowd with histories of two weeks, and three rounds of the demo, each judged by
the real gate against the base: after a drift of fashion (what `adloom demo` has from round 2 on),
after clicks by coin, and after a day on which each shopper had another one's clicks. No version is
promoted, so that every round starts from the base. Without news at most 5 % may pass, after the
drift 80 % should. Exits with 1 if not.

A seed whose file is in the folder already is not run again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from scipy.stats import binomtest

from adloom.loop.demo.parts import DemoPlan
from adloom.loop.settings import load_settings
from tests.benchmarks.drift_recovery import ADS_PER_ROUND

DRIFT, COIN, SWAPPED = KINDS = ("drift", "coin", "swapped")
MOST_WITHOUT_NEWS, FEWEST_AFTER_DRIFT = 0.05, 0.8
_FULL = DemoPlan(rounds=len(KINDS), drift_from=1, ads_per_round=ADS_PER_ROUND)
_QUICK = DemoPlan(
    rounds=len(KINDS), drift_from=1, ads_per_round=8, shoppers=12, shop_ads=24, new_shop_ads=8
)
_QUICK_STEPS: dict[str, Any] = {
    "fine_tune": {"max_steps": 2, "trend": {"max_steps": 2}},
    "gate": {"ads": 2},
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40, help="of each kind, one a seed")
    parser.add_argument("-j", "--jobs", type=int, default=1, help="seeds run at a time")
    parser.add_argument("--out", type=Path, default=Path("out/gate"))
    parser.add_argument("--quick", action="store_true", help="tiny rounds: shows that it runs")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    given = parser.parse_args(arguments)
    run = partial(run_seed, out=given.out, quick=given.quick)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(given.jobs, mp_context=context) as pool:
        seeds = track(
            pool.map(run, range(given.rounds)),
            total=given.rounds,
            description="Rounds",
            console=Console(stderr=True),
        )
        result = figures(list(seeds))
    print(json.dumps(result, indent=2) if given.json else _told(result))
    return 0 if given.quick or result["holds"] else 1


def run_seed(seed: int, *, out: Path, quick: bool) -> dict[str, Any]:
    """The verdict on a round of each kind, made anew only where there is none."""
    file = out / f"seed-{seed}{'-quick' if quick else ''}.json"
    if not file.exists():
        out.mkdir(parents=True, exist_ok=True)
        found = verdicts(seed, quick=quick)
        partial_file = file.with_suffix(".partial")
        partial_file.write_text(json.dumps(found, indent=2))
        partial_file.replace(file)
    read: dict[str, Any] = json.loads(file.read_text())
    return read


def verdicts(seed: int, *, quick: bool) -> dict[str, Any]:
    """Outcome of a round of each kind, by its name."""
    from adloom.loop.demo import business
    from adloom.loop.demo.demo import serve_round
    from adloom.loop.demo.parts import DemoLoop, demo_settings
    from adloom.loop.demo.progress import Steps
    from adloom.loop.demo.run import DemoRun
    from adloom.loop.learning.rounds.train import train_round
    from tests.benchmarks.no_news import WithoutNews, by_coin, swapped

    plan = replace(_QUICK if quick else _FULL, seed=seed)
    outcomes = {}
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory()))
        (folder / "ads").mkdir()
        steps = parts.enter_context(Steps(Console(quiet=True)))
        settings = load_settings(home=folder / "home", **(_QUICK_STEPS if quick else {}))
        loop = DemoLoop(demo_settings(settings, datetime.now(UTC)), plan, parts)
        run = DemoRun()
        business.stock(loop, steps)
        business.warm_up(loop, run, steps)
        people = loop.crowd
        crowds = {
            DRIFT: people,
            COIN: WithoutNews(people, by_coin(seed)),
            SWAPPED: WithoutNews(people, swapped(seed)),
        }
        for number, (kind, crowd) in enumerate(crowds.items(), start=1):
            loop.crowd = crowd
            business.browse(loop, number, steps)
            serve_round(loop, run, number, folder, steps)
            outcome = train_round(loop.ground, force=True)
            outcomes[kind] = outcome.model_dump(mode="json", exclude={"losses"})
    return outcomes


def figures(seeds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Share of the rounds of each kind that passed, with its exact 95 % interval."""
    found: dict[str, Any] = {}
    for kind in KINDS:
        rounds = [seed[kind] for seed in seeds]
        passed = sum(bool(one["passed"]) for one in rounds)
        interval = binomtest(passed, len(rounds)).proportion_ci()
        gains = [one["judgement"]["findings"][0]["difference"] for one in rounds]
        found[kind] = {
            "rounds": len(rounds),
            "passed": passed,
            "share": passed / len(rounds),
            "low": float(interval.low),
            "high": float(interval.high),
            "answers": dict(Counter(one["judgement"]["answer"] for one in rounds)),
            "clicks": [one["judgement"]["clicks"] for one in rounds],
            "gains": gains,
            "seconds": [one["seconds"] for one in rounds],
        }
    without_news = [found[kind]["share"] <= MOST_WITHOUT_NEWS for kind in (COIN, SWAPPED)]
    found["holds"] = all(without_news) and found[DRIFT]["share"] >= FEWEST_AFTER_DRIFT
    return found


def _told(result: dict[str, Any]) -> str:
    lines = []
    for kind in KINDS:
        one = result[kind]
        lines.append(
            f"{kind}: {one['passed']} of {one['rounds']} passed, {one['share']:.0%} "
            f"({one['low']:.0%} to {one['high']:.0%}); {one['answers']}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
