"""A round of learning from what a biased page was clicked for, with and without the correction."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from adloom.loop.catalogue.briefs import brief, finished
from adloom.loop.catalogue.product import Product
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.copywriting import title_rules
from adloom.loop.demo.shop.creatives import SeedCreative
from adloom.loop.demo.shop.perception import ScenePerception
from adloom.loop.home import load_generator
from adloom.loop.learning.positions import click_weights
from adloom.loop.learning.rounds.plan import choose_clicks
from adloom.loop.learning.training_set import ClickedAd
from adloom.loop.settings import load_settings
from adloom.loop.settings.learning import RoundSettings
from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import Example
from adloom.models.settings import FineTuneSettings, TrendSettings
from adloom.models.training.click_lessons import TrainingClicks
from adloom.models.training.fine_tune import fine_tune
from tests.benchmarks.biased_page import UNTIL, BiasedPage

_RATE = 1e-3
"""As after a drift: a round at the usual rate moves what is drawn for strangers little."""
_DRAWN, _AT_ONCE, _PIXELS = 128, 16, 256


def both_rounds(
    page: BiasedPage, perception: ScenePerception, *, steps: int
) -> dict[str, dict[str, float]]:
    """By correction, and for the base: shares of what is drawn for strangers in either look, and
    the mean chance that anybody of the crowd clicks it, on top of a page."""
    rounds, settings = RoundSettings(), load_settings()
    clicks = choose_clicks(page.events(), rounds, since=None, until=UNTIL)
    generator = load_generator(settings)
    learn = FineTuneSettings(
        learning_rate=_RATE,
        max_steps=steps,
        max_seconds=3_600,
        preference_weight=0.0,
        trend=TrendSettings(items=(0,)),
    )
    found = {"base": _drawn(page, perception, generator, None)}
    for way, most in (("off", None), ("on", rounds.max_position_weight)):
        lessons, heldout = (
            _lessons(
                page,
                generator,
                some,
                click_weights([c.position for c in some], clicks.examination, most),
            )
            for some in (clicks.train, clicks.choose)
        )
        with tempfile.TemporaryDirectory() as folder:
            fine_tune(
                generator,
                TrainingClicks(lessons, heldout=heldout),
                settings=learn,
                out=Path(folder) / way,
            )
        found[way] = _drawn(page, perception, generator, way)
        generator.drop_adapter(way)
    return found


def _lessons(
    page: BiasedPage, generator: AdGenerator, clicks: Sequence[ClickedAd], weights: Sequence[float]
) -> list[Example]:
    """What was clicked, of shoppers of whom nothing else is known."""
    by_id = {ad.ad_id: ad for ad in page.ads}
    chosen: list[SeedCreative] = list(dict.fromkeys(by_id[click.ad_id] for click in clicks))
    encoded = generator.encode_pictures([ad.background(_PIXELS) for ad in chosen])
    codes = dict(zip(chosen, encoded, strict=True))
    made = [
        Example(brief(ad.product, [], title_rules(ad.product)), ad.title, codes[ad])
        for ad in (by_id[click.ad_id] for click in clicks)
    ]
    return [replace(one, weight=weight) for one, weight in zip(made, weights, strict=True)]


def _drawn(
    page: BiasedPage, perception: ScenePerception, generator: AdGenerator, adapter: str | None
) -> dict[str, float]:
    rng = random.Random("strangers")
    products: list[Product] = rng.choices(list(load_catalog().values()), k=_DRAWN)
    generator.activate(adapter)
    scenes, chances = [], []
    for start in range(0, _DRAWN, _AT_ONCE):
        some = products[start : start + _AT_ONCE]
        drafts = generator.generate(
            [brief(product, [], title_rules(product)) for product in some],
            seeds=range(start, start + len(some)),
            adapter=adapter,
        )
        pictures = [
            finished(draft.background, product, size=_PIXELS, shadow=generator.casts_shadow)
            for draft, product in zip(drafts, some, strict=True)
        ]
        for sight, draft, product in zip(perception.see(pictures), drafts, some, strict=True):
            scenes.append(sight.scene)
            chances += [
                shopper.click_probability(sight, draft.title, product)
                for shopper in page.crowd.values()
            ]
    return {
        "liked": float(np.mean([scene == page.liked for scene in scenes])),
        "on_top": float(np.mean([scene == page.on_top for scene in scenes])),
        "click_chance": float(np.mean(chances)),
    }
