"""Finished ads in place of fresh ones: `python -m tests.benchmarks.pool_quality`.

The demo's crowd visits some products again and again. Each visit is answered from the pool, as the
ad server answers with a deadline too short to draw in; what does not suit a shopper is drawn behind
and joins the pool. One visit in four is drawn anew as well, for comparison: about when it comes,
with as many clicks to read as the pool has. Told are expected click-through rates by the crowd's
own chances, over all visits and over the later half, when the pool is warm; and how many ads were
drawn for so many visits. One number a seed (another crowd), mean and 95 % t interval over the
seeds. Exits with 1 below the targets.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from adloom.loop.demo import business
from adloom.loop.demo.parts import DemoLoop, DemoPlan
from adloom.loop.demo.progress import Steps
from adloom.loop.demo.run import DemoRun
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.simulator import ShownAd, Visit
from adloom.loop.pool.ranker import Weights
from adloom.loop.pool.training import fitted, logged_choices
from adloom.loop.serving.drawing_queue import DrawingQueue
from adloom.loop.serving.exposures import exposure
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.in_time.chosen import Chosen
from adloom.loop.serving.in_time.in_time import InTime
from adloom.loop.serving.requests import AdRequest
from adloom.loop.settings import load_settings
from adloom.stream.events import Click
from tests.benchmarks.drift_recovery import interval

RATIO, DRAWN = 0.9, 0.1
"""The targets: of the rate of drawing anew, at most of the drawing."""
_AT_ONCE = 32
_ANEW_EVERY = 4
_AT_A_TIME = _AT_ONCE * _ANEW_EVERY  # visits, of which some are drawn anew when half have come
_ATTRIBUTION = timedelta(seconds=1)
_LOOK_SECONDS = 0.02


@dataclass
class Lived:
    """Chances of a click: drawn anew and of the pool; how many ads each visit had drawn behind."""

    anew: list[float] = field(default_factory=list)
    pooled: list[float] = field(default_factory=list)
    drawn: list[int] = field(default_factory=list)


@dataclass
class Crowded:
    """A demo loop with a pool before it."""

    loop: DemoLoop
    in_time: InTime
    queue: DrawingQueue
    seed: int

    def live(self, visits: Sequence[Visit]) -> Lived:
        """All visits; some are drawn anew as well when half of those about them have come."""
        lived = Lived()
        numbered = list(enumerate(visits))
        self.in_time.refresh()
        for start in range(0, len(visits), _AT_A_TIME):
            some = numbered[start : start + _AT_A_TIME]
            half = len(some) // 2
            self._pooled(some[:half], lived)
            lived.anew += self._chances(self._drawn(some[::_ANEW_EVERY]))
            self._pooled(some[half:], lived)
        return lived

    def _drawn(self, visits: Sequence[tuple[int, Visit]]) -> list[Ad]:
        waited = [self.queue.submit(self._request(visit, number)) for number, visit in visits]
        return [one.result() for one in waited]

    def _pooled(self, visits: Sequence[tuple[int, Visit]], lived: Lived) -> None:
        serving = self.loop.champion.serving
        for start in range(0, len(visits), _AT_ONCE):
            shown: list[Chosen] = []
            waited: list[Future[Ad]] = []
            some = visits[start : start + _AT_ONCE]
            wanted = [(self._request(visit, number), serving) for number, visit in some]
            for found in self.in_time.find(wanted):
                lived.drawn.append(int(not found.fits))
                if not found.fits:
                    waited.append(self.in_time.behind.draw(found))
                assert found.best is not None
                shown.append(found.best)
            while not all(one.done() for one in waited):
                self.in_time.behind.begin()
                wait(waited, timeout=_LOOK_SECONDS)
            self.in_time.behind.settle()
            lived.pooled += self._live_through(shown)

    def _live_through(self, shown: Sequence[Chosen]) -> list[float]:
        """Exposures and clicks go through Kafka into features and log, as on a site."""
        chances = self._chances(shown)
        for ad, chance in zip(shown, chances, strict=True):
            event = exposure(ad)
            self.loop.producer.send(event)
            rng = random.Random(f"{self.seed}/{event.event_id}")
            if rng.random() < chance:
                click = Click(
                    event_id=f"click-{event.event_id}",
                    ts=event.ts + timedelta(milliseconds=10),
                    user_id=event.user_id,
                    item_id=event.item_id,
                    ad_id=event.ad_id,
                )
                self.loop.producer.send(click)
        self.loop.drain()
        self.in_time.refresh()
        return chances

    def _request(self, visit: Visit, number: int) -> AdRequest:
        return AdRequest(visit.user_id, self.loop.catalogue[visit.product_id], seed=number)

    def _chances(self, ads: Sequence[Ad | Chosen]) -> list[float]:
        now = datetime.now(UTC)
        return self.loop.crowd.chances(
            [
                ShownAd(
                    ad.creative.ad_id,
                    ad.request.user_id,
                    ad.request.product,
                    ad.creative.title,
                    self.loop.creatives.picture(ad.creative.picture),
                    now,
                )
                for ad in ads
            ],
            round_number=1,
        )


def run_seed(seed: int, *, visits: int, products: int, folder: Path) -> dict[str, Any]:
    """One crowd."""
    settings = load_settings(home=folder / f"seed-{seed}")
    hours = _ATTRIBUTION / timedelta(hours=1)
    rounds = settings.rounds.model_copy(update={"attribution_hours": hours})
    settings = settings.model_copy(update={"rounds": rounds})
    plan = DemoPlan(rounds=0, seed=seed)
    with ExitStack() as parts:
        loop = DemoLoop(settings, plan, parts)
        with Steps(Console(quiet=True)) as steps:
            business.stock(loop, steps)
            business.warm_up(loop, DemoRun(drift_from=None), steps)
        came = _visits(loop, visits, products, seed)
        queue = DrawingQueue(
            lambda wanted: loop.maker.start([(one, loop.champion.serving) for one in wanted]),
            loop.maker.step,
            max_batch=_AT_ONCE,
            max_waiting=_AT_ONCE,
        )
        in_time = InTime(settings, loop.maker, loop.features.log, queue)
        with queue:
            lived = Crowded(loop, in_time, queue, seed).live(came)
        until = datetime.now(UTC) + timedelta(minutes=1)
        choices = logged_choices(
            loop.features.log,
            since=until - timedelta(days=1),
            until=until,
            attribution=_ATTRIBUTION,
        )
        fit = fitted(choices, Weights())
    return told(lived) | {
        "seed": seed,
        "fitted": fit.weights.told(),
    }


def _visits(loop: DemoLoop, many: int, products: int, seed: int) -> list[Visit]:
    rng = random.Random(f"pool/{seed}")
    chosen = rng.sample(list(load_catalog()), products)
    users = list(loop.crowd)
    return [Visit(rng.choice(users), rng.choice(chosen)) for _ in range(many)]


def told(lived: Lived) -> dict[str, Any]:
    """Rates of the same visits, drawn and pooled, over all of them and over the later half."""
    anew, same, drawn = lived.anew, lived.pooled[::_ANEW_EVERY], lived.drawn
    half, middle = len(same) // 2, len(drawn) // 2
    return {
        "anew": float(np.mean(anew)),
        "pool": float(np.mean(same)),
        "ratio": float(np.mean(same) / np.mean(anew)),
        "ratio_warm": float(np.mean(same[half:]) / np.mean(anew[half:])),
        "drawn": float(np.mean(drawn)),
        "drawn_warm": float(np.mean(drawn[middle:])),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--visits", type=int, default=1200)
    parser.add_argument("--products", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print as JSON")
    given = parser.parse_args(arguments)
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            run_seed(seed, visits=given.visits, products=given.products, folder=Path(folder))
            for seed in track(seeds, description="Crowds", console=Console(stderr=True))
        ]
    names = ("anew", "pool", "ratio", "ratio_warm", "drawn", "drawn_warm")
    result = {
        "visits": given.visits,
        "products": given.products,
        **{name: interval([run[name] for run in runs]) for name in names},
        "by_seed": runs,
    }
    if given.json:
        print(json.dumps(result, indent=2))
    else:
        for name in names:
            one = result[name]
            print(f"{name:12} {one['mean']:.3f} ({one['low']:.3f} to {one['high']:.3f})")
    good = result["ratio_warm"]["mean"] >= RATIO and result["drawn_warm"]["mean"] <= DRAWN
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
