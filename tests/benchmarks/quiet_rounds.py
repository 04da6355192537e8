"""Rounds without news do no harm: `python -m tests.benchmarks.quiet_rounds`.

Runs `adloom demo` for ten rounds, once a seed, in which fashion never moves: clicks say what
histories said already. Told is by how much the ads of the learning arm are likelier to be clicked
than those of the base that never learns, as a share of an oracle's rate, in each round and in the
last three together; and how many versions were promoted on the way.
Exits with 1 where the last rounds are below the base by more than chance.

A seed whose summary is in the folder already is not run again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adloom.loop.demo.parts import DemoPlan
from tests.benchmarks.drift_recovery import ADS_PER_ROUND, interval, summaries

_LAST = 3
"""A round's ads are few: its figure alone would be mostly chance."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--ads", type=int, default=ADS_PER_ROUND, help="a round, over both arms")
    parser.add_argument("--jobs", type=int, default=1, help="seeds run at a time")
    parser.add_argument("--out", type=Path, default=Path("out/quiet"))
    parser.add_argument("--json", action="store_true", help="print as JSON")
    given = parser.parse_args(arguments)
    never = given.rounds + 2
    plan = DemoPlan(rounds=given.rounds, ads_per_round=given.ads, drift_from=never)
    result = figures(summaries(plan, given.seeds, given.out, given.jobs))
    print(json.dumps(result, indent=2) if given.json else _told(result))
    return 0 if result["harmless"] else 1


def figures(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean and 95 % t interval over the runs, of shares of the oracle's rate."""
    gains = np.array([_gains(run["drift"]["expected_ctr_by_round"]) for run in runs])
    by_seed = gains[:, -_LAST:].mean(axis=1).tolist()
    last = interval(by_seed)
    return {
        "gain_of_last_rounds": {**last, "by_seed": by_seed},
        "gain_by_round": gains.mean(axis=0).tolist(),
        "promoted": [sum(r["promoted"] for r in run["rounds"]) for run in runs],
        "harmless": last["high"] >= 0,
    }


def _gains(rates: dict[str, list[float]]) -> np.ndarray:
    """By round: share of the oracle's rate that learning reaches, less the base's.

    Both arms' visits are measured by the oracle's rate of all of the round.
    """
    learning, frozen, oracle = (np.array(rates[arm]) for arm in ("learning", "frozen", "oracle"))
    gains: np.ndarray = (learning - frozen) / oracle
    return gains


def _told(result: dict[str, Any]) -> str:
    last = result["gain_of_last_rounds"]
    rounds = ", ".join(f"{gain:+.3f}" for gain in result["gain_by_round"])
    seeds = ", ".join(f"{gain:+.3f}" for gain in last["by_seed"])
    return (
        f"Gain over the base, as a share of the oracle's rate, by round: {rounds}\n"
        f"Last {_LAST} rounds: {last['mean']:+.3f} ({last['low']:+.3f} to {last['high']:+.3f}), "
        f"by seed {seeds}\n"
        f"Promoted: {', '.join(map(str, result['promoted']))} versions"
    )


if __name__ == "__main__":
    sys.exit(main())
