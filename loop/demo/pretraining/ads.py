"""The ads that pretraining learns from, rendered in every scene and palette."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adloom.loop.catalogue.product import Product
from adloom.loop.demo.shop.scenes import PALETTES, SCENES, render_scene
from adloom.models.compose import cast_shadow, compose_ad

_SHADOW = 0.06


@dataclass(frozen=True)
class Pool:
    """Rendered ads of the shop.

    ``plates`` and ``ads`` are uint8 ``(n, 3, size, size)``: the scene with the product's
    shadow (what the generator learns to draw) and the finished ad (what a history shows).
    ``styles`` gives scene and palette, ``products`` the product and ``seeds`` the scene's seed of
    each.
    """

    plates: NDArray[np.uint8]
    ads: NDArray[np.uint8]
    styles: list[tuple[str, str]]
    products: list[Product]
    seeds: list[int]

    def plate(self, number: int, size: int) -> NDArray[np.uint8]:
        """A plate rendered in another size: uint8 ``(3, size, size)``."""
        scene, palette = self.styles[number]
        backdrop = render_scene(scene, palette, seed=self.seeds[number], size=size)
        shaded = cast_shadow(backdrop, self.products[number].cutout(), depth=_SHADOW)
        return np.asarray(shaded).transpose(2, 0, 1)


def render_pool(
    products: Sequence[Product],
    variants: int,
    size: int,
    seed: int,
    on_picture: Callable[[], None],
) -> Pool:
    """Render ``variants`` ads of each scene and palette, of random ``products``."""
    rng = random.Random(seed)
    cutouts = {p.product_id: p.cutout() for p in products}
    plates, ads, styles, chosen, seeds = [], [], [], [], []
    for scene in SCENES:
        for palette in PALETTES:
            for variant in range(variants):
                product = rng.choice(products)
                cutout = cutouts[product.product_id]
                seeds.append(seed * 100_000 + variant)
                backdrop = render_scene(scene, palette, seed=seeds[-1], size=size)
                plates.append(np.asarray(cast_shadow(backdrop, cutout, depth=_SHADOW)))
                ads.append(np.asarray(compose_ad(backdrop, cutout, size=size)))
                styles.append((scene, palette))
                chosen.append(product)
                on_picture()
    return Pool(
        np.stack(plates).transpose(0, 3, 1, 2),
        np.stack(ads).transpose(0, 3, 1, 2),
        styles,
        chosen,
        seeds,
    )
