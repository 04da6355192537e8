"""Crowds to learn from: people who met a shop's ads, and what their clicks say they would like.

Each crowd clicks by the simulator's kind of rule, but with weights, noise and visits of its own,
so that no one simulator is learnt by heart: some click often and clearly, some seldom, some what
has little to do with what they like. Looks only stand for kinds here: who draws from a crowd
may name its scenes, palettes and tones anew.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.click_rule import ClickRule
from adloom.loop.demo.shop.copywriting import TONES
from adloom.loop.demo.shop.creatives import Look
from adloom.loop.demo.shop.scenes import PALETTES, SCENES
from adloom.loop.demo.shop.simulator import ADS_LOOKED_AT, ADS_ON_A_PAGE
from adloom.loop.demo.shop.taste import ATTENTION, Taste
from adloom.loop.demo.shop.taste_reader import SeenAd, Showing, TasteReader

_ADS = 120
_SCENES, _TONES = SCENES[:-1], TONES[:-1]


@dataclass(frozen=True)
class Clicked:
    """An ad as it was clicked: its look, and the category of what it sells."""

    look: Look
    category: str

    def renamed(self, name: Callable[[Look], Look]) -> Clicked:
        return Clicked(name(self.look), self.category)


@dataclass(frozen=True)
class Read:
    """Somebody's clicks, oldest first, and the look that by these is likeliest to be clicked."""

    clicks: tuple[Clicked, ...]
    best: Look

    def renamed(self, rng: random.Random, best: Look | None = None) -> Read:
        """The same with scenes, palettes and tones that have changed places.

        ``best`` is then the best look, also of the trend, which no crowd knows; None is any.
        """
        old, new = self.best, best or Look("", "", "")
        scenes = _shuffled(_SCENES, rng, old.scene, new.scene)
        palettes = _shuffled(PALETTES, rng, old.palette, new.palette)
        tones = _shuffled(_TONES, rng, old.tone, new.tone)

        def name(look: Look) -> Look:
            return Look(scenes[look.scene], palettes[look.palette], tones[look.tone])

        return Read(tuple(click.renamed(name) for click in self.clicks), name(self.best))


def draw_crowds(
    crowds: int, shoppers: int, seed: int, on_crowd: Callable[[], None] = lambda: None
) -> list[Read]:
    """``shoppers`` of each of so many crowds; who clicked nothing is left out."""
    read: list[Read] = []
    for number in range(crowds):
        read += _crowd(shoppers, random.Random(f"crowd/{seed}/{number}"))
        on_crowd()
    return read


def _crowd(shoppers: int, rng: random.Random) -> list[Read]:
    rule = ClickRule(
        cold=rng.uniform(0.01, 0.06),
        scene=rng.uniform(1.0, 2.5),
        tone=rng.uniform(0.7, 2.0),
        palette=rng.uniform(0.2, 1.4),
        category=rng.uniform(0.0, 1.0),
    )
    noise, visits = rng.uniform(0.0, 0.4), rng.randint(4, 30)
    ads = _shop(rng)
    reader = TasteReader(
        [
            SeenAd({ad.look.scene: 1.0}, {ad.look.palette: 1.0}, ad.look.tone, ad.category)
            for ad in ads
        ],
        noise=noise,
        visits=(1, 2 * visits),
        rule=rule,
    )
    people = []
    for _ in range(shoppers):
        taste = Taste.drawn(load_catalog().categories, rng)
        chances = [rule.chance(_log_odds(rule, taste, ad), noise) for ad in ads]
        attention = rng.uniform(*ATTENTION)
        showings = [
            showing
            for _ in range(rng.randint(1, 2 * visits))
            for showing in _visit(chances, attention, rng)
        ]
        clicks = tuple(ads[showing.ad] for showing in showings if showing.clicked)
        if clicks:
            people.append(Read(clicks, reader.of_clicks(showings).best(rule, noise)))
    return people


def _shop(rng: random.Random) -> list[Clicked]:
    """Every scene, palette and tone about equally often."""
    scenes, palettes, tones = (_dealt(names, rng) for names in (_SCENES, PALETTES, _TONES))
    categories = _dealt([product.category for product in load_catalog().values()], rng)
    return [
        Clicked(Look(scene, palette, tone), category)
        for scene, palette, tone, category in zip(scenes, palettes, tones, categories, strict=True)
    ]


def _dealt(names: Sequence[str], rng: random.Random) -> list[str]:
    decks = -(-_ADS // len(names))
    return [name for _ in range(decks) for name in rng.sample(names, len(names))][:_ADS]


def _log_odds(rule: ClickRule, taste: Taste, ad: Clicked) -> float:
    return rule.log_odds(
        taste.scenes.get(ad.look.scene, 0.0),
        taste.palettes.get(ad.look.palette, 0.0),
        taste.tones.get(ad.look.tone, 0.0),
        taste.categories[ad.category],
    )


def _visit(chances: Sequence[float], attention: float, rng: random.Random) -> list[Showing]:
    """A page, the ads on it that catch the eye, and which of them are clicked."""
    page = rng.sample(range(len(chances)), ADS_ON_A_PAGE)
    seen = sorted(page, key=lambda ad: rng.random() ** (1 / chances[ad]), reverse=True)
    looked_at = [ad for ad in page if ad in seen[:ADS_LOOKED_AT]]
    return [
        Showing(ad, position, clicked=rng.random() < chances[ad] * attention**position)
        for position, ad in enumerate(looked_at)
    ]


def _shuffled(names: Sequence[str], rng: random.Random, old: str, new: str) -> dict[str, str]:
    """Each name's new one; that of ``old`` is ``new``, where this is none of ""."""
    renamed = dict(zip(names, rng.sample(names, len(names)), strict=True))
    if new:
        for name, taken in renamed.items():
            if taken == new:
                renamed[name] = renamed[old]
        renamed[old] = new
    return renamed
