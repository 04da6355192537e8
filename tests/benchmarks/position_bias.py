"""Does it matter where on its page an ad was clicked: `python -m tests.benchmarks.position_bias`.

A crowd looks at each next position of a page with a chance of 0.4 alone, and on half of the pages
one look always stands on top while a look that is liked better stands two below. Told, with and
without the correction (`rounds.max_position_weight`), beside what the simulator knows:

- how likely each position is looked at, as the position-based model finds it;
- the click rate of each look, were all looked at: plain, by inverse propensity, doubly robust;
- the odds of the better-liked look among what a round learns from, by weight;
- with `--fine-tune` (minutes a seed): what the base draws for strangers after a round of each, and
  the chance that the crowd clicks it.

One number a seed (another crowd, other looks), mean and 95 % t interval over the seeds. Exits with
1 below the targets, in the mean of the seeds: the examination of no position off by more than 0.05;
corrected odds within a quarter of the truth; and odds that favour the better-liked look with the
correction and the other without, both by more than chance.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from adloom.loop.demo.shop.perception import ScenePerception
from adloom.loop.learning.positions import click_weights
from adloom.loop.learning.rounds.plan import RoundClicks, choose_clicks
from adloom.loop.settings.learning import RoundSettings
from adloom.loop.statistics.off_policy import LoggedRewards, policy_values
from adloom.loop.statistics.position_based import fitted_positions
from tests.benchmarks.biased_page import UNTIL, BiasedPage, Look
from tests.benchmarks.drift_recovery import interval

MOST_OFF, ODDS_OFF = 0.05, 0.25
_LOOKS: tuple[Look, Look] = ("on_top", "liked")
_ROUNDS = RoundSettings()


def run_seed(page: BiasedPage) -> dict[str, Any]:
    """What is found of a page, beside the truth."""
    events = page.events()
    clicks = choose_clicks(events, _ROUNDS, since=None, until=UNTIL)
    found = clicks.examination
    odds = lesson_odds(page, clicks)
    return {
        "examination": {"true": page.examination.tolist(), "found": list(found.values())},
        "click_rates": click_rates(page),
        "odds": {"true": _true_odds(page), **odds},
        "clicks": {"all": int(page.showings.clicked.sum()), "learnt": len(clicks.train)},
    }


def click_rates(page: BiasedPage) -> dict[str, dict[str, float]]:
    """Of each look, were all its showings looked at, by estimator; ``true`` is the simulator's."""
    shown, most = page.showings, _ROUNDS.max_position_weight
    assert most is not None
    model = fitted_positions(shown.position, shown.ad, shown.clicked)
    looked = model.examination[np.searchsorted(model.positions, shown.position)]
    guess = model.attractiveness[shown.ad]
    rates = {}
    for look in get_args(Look):
        of = _in_look(page, look)
        log = LoggedRewards(
            reward=shown.clicked[of].astype(np.float64),
            weight=1 / np.maximum(looked[of], 1 / most),
            model_logged=(looked * guess)[of],
            model_target=guess[of],
            cluster=np.unique(shown.user[of], return_inverse=True)[1].astype(np.int64),
        )
        values = policy_values(log)
        rates[look] = {
            "true": float(shown.chance[of].mean()),
            "plain": float(log.reward.mean()),
            "inverse_propensity": values["ips"].value,
            "doubly_robust": values["dr"].value,
        }
    return rates


def lesson_odds(page: BiasedPage, clicks: RoundClicks) -> dict[str, float]:
    """How much of a round's lessons is of the better-liked look, over what is of the other."""
    by_id = {ad.ad_id: page.look(ad) for ad in page.ads}
    looks = np.array([by_id[click.ad_id] for click in clicks.train])
    positions = [click.position for click in clicks.train]
    found = {}
    for name, most in (("off", None), ("on", _ROUNDS.max_position_weight)):
        weights = np.array(click_weights(positions, clicks.examination, most))
        found[name] = float(weights[looks == "liked"].sum() / weights[looks == "on_top"].sum())
    return found


def _true_odds(page: BiasedPage) -> float:
    chance = page.showings.chance
    on_top, liked = (float(chance[_in_look(page, look)].sum()) for look in _LOOKS)
    return liked / on_top


def _in_look(page: BiasedPage, look: Look) -> NDArray[np.bool_]:
    of_ad = np.array([page.look(ad) == look for ad in page.ads])
    return of_ad[page.showings.ad]


def figures(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means over the runs, and whether they reach the targets."""
    true, found = (
        np.array([run["examination"][name] for run in runs]) for name in ("true", "found")
    )
    odds = {name: [run["odds"][name] for run in runs] for name in ("true", "off", "on")}
    of_truth = np.divide(odds["on"], odds["true"])
    off = np.abs((found - true).mean(axis=0))
    odds_of = {name: interval(values) for name, values in odds.items()}
    told: dict[str, Any] = {
        "examination": {"true": true.mean(axis=0).tolist(), "found": found.mean(axis=0).tolist()},
        "examination_off": off.tolist(),
        "click_rates": {
            look: {
                name: interval([run["click_rates"][look][name] for run in runs])
                for name in runs[0]["click_rates"][look]
            }
            for look in runs[0]["click_rates"]
        },
        "odds": odds_of,
        "odds_of_truth": interval(of_truth.tolist()),
        "clicks": {name: interval([r["clicks"][name] for r in runs]) for name in ("all", "learnt")},
        "reached": bool(
            off.max() <= MOST_OFF
            and abs(of_truth.mean() - 1) <= ODDS_OFF
            and odds_of["on"]["low"] > 1 > odds_of["off"]["high"]
        ),
    }
    if "rounds" in runs[0]:
        told["rounds"] = {
            way: {
                name: interval([run["rounds"][way][name] for run in runs])
                for name in runs[0]["rounds"][way]
            }
            for way in runs[0]["rounds"]
        }
    return told


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--shoppers", type=int, default=160)
    parser.add_argument("--visits", type=int, default=60, help="pages that each shopper opens")
    parser.add_argument("--attention", type=float, default=0.4, help="chance of the next position")
    parser.add_argument("--fine-tune", action="store_true", help="train a round of each as well")
    parser.add_argument("--steps", type=int, default=100, help="of such a round")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    given = parser.parse_args(arguments)
    perception, runs = ScenePerception.fitted(), []
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    for seed in track(seeds, description="Crowds", console=Console(stderr=True)):
        page = BiasedPage(
            perception,
            seed=seed,
            shoppers=given.shoppers,
            visits=given.visits,
            attention=given.attention,
        )
        runs.append(run_seed(page))
        if given.fine_tune:
            from tests.benchmarks.position_bias_rounds import both_rounds

            runs[-1]["rounds"] = both_rounds(page, perception, steps=given.steps)
    result = figures(runs)
    if given.json:
        print(json.dumps(result | {"by_seed": runs}, indent=2))
    else:
        _show(result)
    return 0 if result["reached"] else 1


def _show(result: Mapping[str, Any]) -> None:
    console = Console(highlight=False)

    def row(values: Sequence[float]) -> str:
        return ", ".join(f"{value:.3f}" for value in values)

    def told(spread: Mapping[str, float]) -> str:
        return f"{spread['mean']:.3f} ({spread['low']:.3f} to {spread['high']:.3f})"

    for name, values in result["examination"].items():
        console.print(f"examination, {name}: {row(values)}")
    console.print(f"examination, off by: {row(result['examination_off'])}")
    for look, rates in result["click_rates"].items():
        for name, spread in rates.items():
            console.print(f"click rate, look {look}, {name}: {told(spread)}")
    for name, spread in result["odds"].items():
        console.print(f"odds of the better-liked look, {name}: {told(spread)}")
    for way, drawn in result.get("rounds", {}).items():
        for name, spread in drawn.items():
            console.print(f"round, correction {way}, {name}: {told(spread)}")


if __name__ == "__main__":
    sys.exit(main())
