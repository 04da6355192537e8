"""What clicks can tell, and what is read: `python -m tests.benchmarks.ideal_reader`.

The demo's crowd browses the shop's own ads for two weeks; then its shoppers visit products, and
each is shown an ad. Told are expected click-through rates, by the crowd's own chances:

- `oracle` knows every taste, `impressions` all that its shopper looked at, clicked or left, and
  `clicks` the clicked ads: both show the look that is likeliest to be clicked by Bayes' rule
  (loop/demo/shop/taste_reader.py);
- `clicks_sampled` has what `clicks` has, and shows a look as likely as it is the favourite;
- `champion` draws with the generator of the settings; `champion_clear` is what its ads would get
  if each were wholly in the look that it is nearest to;
- `no_history` draws without the clicks; `shop` is any of the shop's own ads of the product.

`crowd` is the demo's. In `noisy` about a third of what shoppers do has nothing to do with the ad,
and `cold` are the same visits by shoppers of whom nothing is known. One number a seed (another
crowd, other ads), mean and 95 % t interval over the seeds. Exits with 1 below the targets.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.copywriting import TONES, tone_of
from adloom.loop.demo.shop.creatives import Look
from adloom.loop.demo.shop.perception import ScenePerception
from adloom.loop.demo.shop.scenes import PALETTES, SCENES
from adloom.loop.demo.shop.simulator import ShownAd, Visit
from adloom.loop.demo.shop.tastes import Tastes
from adloom.loop.home import load_generator
from adloom.loop.settings import load_settings
from tests.benchmarks.browsed_shop import MUCH_NOISE, BrowsedShop, Drawer, Size
from tests.benchmarks.drift_recovery import interval

TARGETS = {"clicks": 0.9, "impressions": 0.8}
"""Of each reader's rate, what the champion is to reach."""
READERS = ("oracle", "impressions", "clicks", "clicks_sampled", "shop")

Chances = dict[str, list[float]]
"""By arm, the chance of a click at each visit."""


def read(shop: BrowsedShop, visits: Sequence[Visit], *, cold: bool = False) -> Chances:
    """What readers would get; ``cold`` is when nothing is known of anybody."""
    found: Chances = {name: [] for name in READERS}
    by_clicks: dict[str, Tastes] = {}
    by_impressions: dict[str, Tastes] = {}
    if cold:
        by_clicks = by_impressions = dict.fromkeys(shop.crowd, Tastes())
    reader = shop.reader
    for visit in visits:
        user = visit.user_id
        shopper, product = shop.crowd[user], load_catalog()[visit.product_id]
        if user not in by_clicks:
            by_clicks[user] = reader.of_clicks(shop.showings[user])
            by_impressions[user] = reader.of_impressions(shop.showings[user])
        found["oracle"].append(shopper.favourite(product)[1])
        for name, tastes in (("impressions", by_impressions), ("clicks", by_clicks)):
            look = tastes[user].best(reader.rule, reader.noise)
            found[name].append(shopper.chance_of(look, product))
        sampled = sum(
            share * shopper.chance_of(Look(SCENES[scene], PALETTES[palette], TONES[tone]), product)
            for (scene, palette, tone), share in np.ndenumerate(by_clicks[user].favourites())
            if share > 0
        )
        found["clicks_sampled"].append(float(sampled))
        found["shop"].append(shop.own_chance(visit))
    return found


def clear(shop: BrowsedShop, ads: Sequence[ShownAd], perception: ScenePerception) -> list[float]:
    """Chances of ads, were each wholly in the look that it is nearest to."""
    return [
        shop.crowd[ad.user_id].chance_of(
            Look(sight.scene, sight.palette, tone_of(ad.title) or ""), ad.product
        )
        for ad, sight in zip(ads, perception.see([ad.picture for ad in ads]), strict=True)
    ]


def run_seed(
    seed: int, size: Size, visits: int, drawer: Drawer, perception: ScenePerception
) -> dict[str, dict[str, float]]:
    """Rate of every condition and arm with one crowd."""

    def drawing(shop: BrowsedShop, name: str, ads: Sequence[ShownAd]) -> Chances:
        chances = shop.crowd.chances(ads, round_number=1)
        return {name: chances, f"{name}_clear": clear(shop, ads, perception)}

    usual = BrowsedShop(size, perception, seed=seed)
    noisy = BrowsedShop(size, perception, seed=seed, noise=MUCH_NOISE)
    came = usual.crowd.visits(visits, round_number=1)
    blind = drawer.draw(usual, came, history=False)
    found: dict[str, Chances] = {}
    for condition, shop in (("crowd", usual), ("noisy", noisy)):
        ads = drawer.draw(shop, came, history=True)
        found[condition] = read(shop, came) | drawing(shop, "champion", ads)
        found[condition]["no_history"] = shop.crowd.chances(blind, round_number=1)
    found["cold"] = read(usual, came, cold=True) | drawing(usual, "champion", blind)
    return {
        condition: {arm: float(np.mean(chances)) for arm, chances in arms.items()}
        for condition, arms in found.items()
    }


def figures(runs: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, Any]:
    """By condition: every arm's rate, and of each reader's what the champion reaches."""
    told: dict[str, Any] = {}
    for condition in runs[0]:
        rates = {arm: [run[condition][arm] for run in runs] for arm in runs[0][condition]}
        told[condition] = {arm: interval(values) for arm, values in rates.items()} | {
            f"of_{reader}": interval(np.divide(rates["champion"], rates[reader]).tolist())
            for reader in TARGETS
        }
    return told


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--shoppers", type=int, default=160)
    parser.add_argument("--ads", type=int, default=240, help="the shop's own")
    parser.add_argument("--visits", type=int, default=160, help="ads that are shown, each arm")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    given = parser.parse_args(arguments)
    settings = load_settings()
    drawer = Drawer(load_generator(settings), settings.generator)
    perception = ScenePerception.fitted()
    size = Size(given.shoppers, given.ads)
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    runs = [
        run_seed(seed, size, given.visits, drawer, perception)
        for seed in track(seeds, description="Crowds", console=Console(stderr=True))
    ]
    result = figures(runs)
    if given.json:
        print(json.dumps(result | {"by_seed": runs}, indent=2))
    else:
        _show(result)
    return 0 if _reached(result) else 1


def _reached(result: Mapping[str, Any]) -> bool:
    return all(
        arms[f"of_{reader}"]["mean"] >= target
        for arms in result.values()
        for reader, target in TARGETS.items()
    )


def _show(result: Mapping[str, Any]) -> None:
    table = Table("", *result, box=None, title="Expected click-through rate")
    for arm in dict.fromkeys(arm for arms in result.values() for arm in arms):
        cells = [
            f"{a[arm]['mean']:.3f} ({a[arm]['low']:.3f} to {a[arm]['high']:.3f})"
            if arm in a
            else ""
            for a in result.values()
        ]
        table.add_row(arm, *cells)
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
