"""The panel: held-out shoppers whose taste is known, for measuring only.

What they like depends on what is sold, which is why a history has to be read for the product
at hand (Uni-AdGen, section 3.3): each shopper buys in four categories, two in one look, two in
another. No look of theirs was ever a taste in training, nor are the products that they want
now, nor the backdrops of their ads.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from adloom.loop.catalogue.product import Product
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.copywriting import TONES, write_title
from adloom.loop.demo.shop.creatives import Look, SeedCreative
from adloom.loop.demo.shop.scenes import PALETTES, SCENES
from adloom.loop.demo.shop.splits import (
    HELDOUT_SEED,
    heldout_looks,
    heldout_products,
    training_products,
)

_CATEGORIES_A_LOOK = 2
_DAYS = 14.0
_NOW = datetime(2026, 1, 15, tzinfo=UTC)


@dataclass(frozen=True)
class PanelShopper:
    """A shopper with a past, and the ad that they click next.

    Attributes:
        history: clicked ads, oldest first.
        clicked_at: when, aware, UTC, same order.
        wanted: an ad for a product that is new to everybody, in the look this shopper likes
            for its category.
    """

    user_id: str
    history: tuple[SeedCreative, ...]
    clicked_at: tuple[datetime, ...]
    wanted: SeedCreative


def draw_panel(n: int, *, clicks: int, noise: float, seed: int) -> list[PanelShopper]:
    """Draw ``n`` shoppers with ``clicks`` clicks each; the same arguments give the same panel.

    With another ``noise``, the share of clicks on anything at random, the people and what they
    want stay the same.
    """
    return [_shopper(f"panel-{number:04d}", clicks, noise, seed) for number in range(n)]


def _shopper(user_id: str, clicks: int, noise: float, seed: int) -> PanelShopper:
    person = random.Random(f"panel/{seed}/{user_id}")
    taste = draw_taste(person, heldout_looks())
    target = person.choice([p for p in heldout_products() if p.category in taste])
    wanted = _creative(f"{user_id}-wanted", target, taste[target.category], person)
    past = random.Random(f"panel/{seed}/{user_id}/{clicks}/{noise}")
    days = sorted((past.uniform(0, _DAYS) for _ in range(clicks)), reverse=True)
    history = tuple(
        _click(f"{user_id}-{number}", taste, noise=noise, rng=past) for number in range(clicks)
    )
    return PanelShopper(user_id, history, tuple(_NOW - timedelta(days=d) for d in days), wanted)


def draw_taste(rng: random.Random, looks: Sequence[Look]) -> dict[str, Look]:
    """The look wanted for each category bought; two of ``looks``, alike in nothing."""
    first = rng.choice(looks)
    second = rng.choice([look for look in looks if _all_differ(look, first)])
    bought = rng.sample(load_catalog().categories, 2 * _CATEGORIES_A_LOOK)
    return {
        category: first if number < _CATEGORIES_A_LOOK else second
        for number, category in enumerate(bought)
    }


def _all_differ(one: Look, other: Look) -> bool:
    return one.scene != other.scene and one.palette != other.palette and one.tone != other.tone


def _click(
    ad_id: str, taste: Mapping[str, Look], *, noise: float, rng: random.Random
) -> SeedCreative:
    if rng.random() < noise:
        look = Look(rng.choice(SCENES[:-1]), rng.choice(PALETTES), rng.choice(TONES[:-1]))
        return _creative(ad_id, rng.choice(training_products()), look, rng)
    product = rng.choice(_sold(training_products(), taste))
    return _creative(ad_id, product, taste[product.category], rng)


def _sold(products: Sequence[Product], taste: Mapping[str, Look]) -> list[Product]:
    return [product for product in products if product.category in taste]


def _creative(ad_id: str, product: Product, look: Look, rng: random.Random) -> SeedCreative:
    title = write_title(product, look.tone, rng=rng)
    return SeedCreative(ad_id, product, look, title, HELDOUT_SEED + rng.getrandbits(30))
