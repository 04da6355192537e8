"""The shop's own ads: what shoppers were shown before adloom made any."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from PIL import Image

from adloom.loop.catalogue.product import Product
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.copywriting import TONES, write_title
from adloom.loop.demo.shop.scenes import PALETTES, SCENES, render_scene
from adloom.models.compose import compose_ad

_TREND_SHARE = 0.005
"""Share of the shop's ads in the trend scene, and share in the trend tone."""

_GLANCE_PIXELS = 64

T = TypeVar("T")


@dataclass(frozen=True)
class Look:
    """The scene, palette and tone of an ad."""

    scene: str
    palette: str
    tone: str


@dataclass(frozen=True)
class SeedCreative:
    """One of the shop's own ads. `seed` fixes the drawing of its scene."""

    ad_id: str
    product: Product
    look: Look
    title: str
    seed: int

    def background(self, size: int = 128) -> Image.Image:
        """The scene alone: RGB, `size` px square."""
        return render_scene(self.look.scene, self.look.palette, seed=self.seed, size=size)

    def picture(self, size: int = 512) -> Image.Image:
        """The finished ad: the product on its scene, RGB, `size` px square."""
        return compose_ad(self.background(), self.product.cutout(), size=size)


@lru_cache(maxsize=1_024)  # some 16 KB each
def glance(ad: SeedCreative) -> Image.Image:
    """The ad as large as who looks around a shop needs it: RGB, 64 px square; change a copy."""
    return ad.picture(_GLANCE_PIXELS)


def seed_creatives(
    n: int, seed: int | str, on_sale: Sequence[Product] | None = None
) -> list[SeedCreative]:
    """Draw `n` of the shop's ads: every product, scene, palette and tone about equally often.

    Products are those `on_sale`, one that stands there twice twice as often; None is all.

    The trend scene and the trend tone (the last of each) come up in about 1 ad in 200. The
    same `seed` gives the same ads.
    """
    rng = random.Random(f"seed creatives/{seed}")
    products = _dealt(list(load_catalog().values()) if on_sale is None else on_sale, rng)
    scenes = _dealt(SCENES[:-1], rng)
    palettes = _dealt(PALETTES, rng)
    tones = _dealt(TONES[:-1], rng)
    creatives = []
    for number in range(n):
        product = next(products)
        look = Look(
            SCENES[-1] if rng.random() < _TREND_SHARE else next(scenes),
            next(palettes),
            TONES[-1] if rng.random() < _TREND_SHARE else next(tones),
        )
        creatives.append(
            SeedCreative(
                ad_id=f"shop-{seed}-{number:05d}",
                product=product,
                look=look,
                title=write_title(product, look.tone, rng=rng),
                seed=rng.getrandbits(31),
            )
        )
    return creatives


def _dealt(cards: Sequence[T], rng: random.Random) -> Iterator[T]:
    """Deal from a shuffled deck, again and again, so that no card is long missing."""
    while True:
        yield from rng.sample(cards, len(cards))
