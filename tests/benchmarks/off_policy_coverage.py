"""Do off-policy intervals cover? `python -m tests.benchmarks.off_policy_coverage`

The Open Bandit sample has one truth a direction, which an interval holds or not. Here its policies
stay and its clicks are made up, many times over, by rates that are known: the share of intervals
that hold the truth should be near 95 %.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from adloom.loop.experiments.open_bandit_value import action_distribution
from adloom.loop.replay.open_bandit import open_bandit
from adloom.loop.statistics.off_policy import (
    LoggedRewards,
    fitted_rates,
    fold_of,
    policy_values,
)

ROWS, CLICK_RATE = 10_000, 0.004
Policy = NDArray[np.float64]
"""Probability of each item by position, shape (positions, items)."""


def coverage(logging: Policy, target: Policy, runs: int, label: str) -> dict[str, float]:
    """Share of made-up logs whose interval holds the target's value, by estimator."""
    rng = np.random.default_rng(0)
    positions, items = logging.shape
    held = dict.fromkeys(("ips", "snips", "dr"), 0)
    for _ in track(range(runs), label, console=Console(stderr=True)):
        rates = np.minimum(1.0, rng.gamma(1.5, CLICK_RATE / 1.5, items))
        position = rng.integers(0, positions, ROWS)
        action = np.zeros(ROWS, np.int64)
        for here in range(positions):
            there = position == here
            action[there] = rng.choice(items, int(there.sum()), p=logging[here])
        reward = (rng.random(ROWS) < rates[action]).astype(np.float64)
        row = np.arange(ROWS)
        fold = fold_of(row)
        model = fitted_rates(reward, action, items, fold)
        log = LoggedRewards(
            reward=reward,
            weight=target[position, action] / logging[position, action],
            model_logged=model[fold, action],
            model_target=(model @ target.T)[fold, position],
            cluster=row,
        )
        truth = float((target @ rates).mean())
        for name, value in policy_values(log).items():
            held[name] += value.low <= truth <= value.high
    return {name: count / runs for name, count in held.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1_000, help="logs a direction and campaign")
    parser.add_argument("--cache", type=Path, help="folder of the data's wheel; none = fetched")
    given = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        for campaign in ("all", "men", "women"):
            log = open_bandit(given.cache or Path(scratch), campaign, "bts")
            items = pd.Index(log["item_id"].unique())
            bts = action_distribution(log, items)
            random = np.full_like(bts, 1 / len(items))
            for name, pair in (("random to bts", (random, bts)), ("bts to random", (bts, random))):
                key = f"{campaign}, {name}"
                found[key] = coverage(*pair, given.runs, key)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
