"""How fashion moves on while the shop is open: drifts of three kinds."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from adloom.loop.catalogue.product import Product
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.copywriting import TONES
from adloom.loop.demo.shop.creatives import Look
from adloom.loop.demo.shop.scenes import PALETTES, SCENES
from adloom.loop.demo.shop.splits import heldout_products

Drift = Literal["everybody", "half", "launch"]
"""Who goes along: everybody; half of the shoppers; everybody, but only for new products."""
_HALF = 0.5
_LAUNCHED = 0.5
"""Share of visits and of the shop's new ads that is of new products, once they are there."""


@dataclass(frozen=True)
class Fashion:
    """From `start_round` on (rounds count from 1) the look that people want depends on the
    product's category; the trend tone is in for each.

    A shopper's clicks from before do not tell of it, so only learning from new clicks helps.

    Attributes:
        strength: share of the old taste that fashion takes over, 0 to 1.
        followers: share of the shoppers who go along.
        launched: ids of the products that it is of, which nobody sells before; none is all.
    """

    start_round: int
    look_of_category: Mapping[str, Look]
    strength: float
    followers: float = 1.0
    launched: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def drawn(
        cls,
        categories: Sequence[str],
        *,
        start_round: int = 2,
        strength: float = 0.85,
        seed: int,
        drift: Drift = "everybody",
    ) -> Fashion:
        """Draw which look each category goes with; the trend scene goes with every third.

        New products are those that pretraining left out.
        """
        rng = random.Random(f"fashion/{seed}")
        shuffled = rng.sample(list(categories), len(categories))
        scenes = rng.sample(SCENES[:-1], len(SCENES) - 1)
        palettes = rng.sample(PALETTES, len(PALETTES))
        wanted = {
            category: Look(
                SCENES[-1] if i % 3 == 0 else scenes[i % len(scenes)],
                palettes[i % len(palettes)],
                TONES[-1],
            )
            for i, category in enumerate(shuffled)
        }
        new = frozenset(one.product_id for one in heldout_products())
        return cls(
            start_round,
            wanted,
            strength,
            followers=_HALF if drift == "half" else 1.0,
            launched=new if drift == "launch" else frozenset(),
        )

    def share(self, round_number: int) -> float:
        """How much of a taste is fashion in that round; round 0 is the time before adloom."""
        return self.strength if round_number >= self.start_round else 0.0

    def look_of(self, product: Product) -> Look | None:
        """What it wants for a product, if anything."""
        if self.launched and product.product_id not in self.launched:
            return None
        return self.look_of_category[product.category]

    def is_followed_by(self, user_id: str, seed: int) -> bool:
        """Whether a shopper goes along; `seed` is the crowd's."""
        return random.Random(f"follows/{seed}/{user_id}").random() < self.followers

    def on_sale(self, round_number: int) -> list[Product]:
        """What can be bought in a round; new ones come so often that they are half of it."""
        products = list(load_catalog().values())
        new = [product for product in products if product.product_id in self.launched]
        if not new:
            return products
        old = [product for product in products if product.product_id not in self.launched]
        often = round(_LAUNCHED / (1 - _LAUNCHED) * len(old) / len(new))
        return old + new * often if self.share(round_number) else old
