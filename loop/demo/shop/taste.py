"""What a simulated shopper likes, and what comes of it once fashion has moved."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adloom.loop.catalogue.product import Product
from adloom.loop.demo.shop.click_rule import ClickRule
from adloom.loop.demo.shop.copywriting import TONES, tone_of
from adloom.loop.demo.shop.creatives import Look
from adloom.loop.demo.shop.fashion import Fashion
from adloom.loop.demo.shop.perception import Sight
from adloom.loop.demo.shop.scenes import PALETTES, SCENES

SECOND_SCENE, SECOND_PALETTE = (0.3, 0.8), (0.5, 0.7)
"""How often a second one is liked, and how much."""
ATTENTION, NOISE = (0.75, 0.95), (0.02, 0.1)
"""Least and most of each among shoppers."""
_RULE = ClickRule()


@dataclass(frozen=True)
class Taste:
    """Likings from 0 (cold) to 1 (loved) by name; a name that is missing is 0.

    `categories` holds every category, from -1 (never buys) to 1 (always looks).
    """

    scenes: Mapping[str, float]
    palettes: Mapping[str, float]
    tones: Mapping[str, float]
    categories: Mapping[str, float]

    @classmethod
    def drawn(cls, categories: Sequence[str], rng: random.Random) -> Taste:
        """Draw a taste: one loved scene, at times a second; one or two palettes; one tone."""
        scenes = rng.sample(SCENES[:-1], 2)
        palettes = rng.sample(PALETTES, 2)
        return cls(
            scenes={scenes[0]: 1.0} | _second(scenes[1], SECOND_SCENE, rng),
            palettes={palettes[0]: 1.0} | _second(palettes[1], SECOND_PALETTE, rng),
            tones={rng.choice(TONES[:-1]): 1.0},
            categories={category: rng.uniform(-1, 1) for category in categories},
        )


@dataclass(frozen=True)
class Shopper:
    """A person who looks at ads and at times clicks.

    Attributes:
        attention: chance that the next position down a page is still looked at, given that the
            one above was (position bias).
        noise: share of looks whose clicks have nothing to do with the ad.
        fashion: the drift this shopper goes along with, if any.
    """

    user_id: str
    taste: Taste
    attention: float
    noise: float
    fashion: Fashion | None = None

    @classmethod
    def drawn(
        cls,
        user_id: str,
        categories: Sequence[str],
        *,
        seed: int,
        fashion: Fashion | None = None,
    ) -> Shopper:
        """Draw a shopper; the same `user_id` and `seed` give the same person.

        Not everybody may go along with `fashion`.
        """
        if fashion is not None and not fashion.is_followed_by(user_id, seed):
            fashion = None
        rng = random.Random(f"shopper/{seed}/{user_id}")
        taste = Taste.drawn(categories, rng)
        return cls(user_id, taste, rng.uniform(*ATTENTION), rng.uniform(*NOISE), fashion)

    def click_probability(
        self, sight: Sight, title: str, product: Product, position: int = 0, round_number: int = 0
    ) -> float:
        """Chance of a click on an ad that was seen as `sight`, `position` places down the page."""
        tone = tone_of(title)
        return self._chance(
            scenes=sight.scenes,
            palettes=sight.palettes,
            tones={tone: 1.0} if tone else {},
            named=product.name.lower() in title.lower(),
            product=product,
            position=position,
            round_number=round_number,
        )

    def favourite(self, product: Product, round_number: int = 0) -> tuple[Look, float]:
        """The look that suits this shopper best for a product, and its click chance on top of
        the page: what an oracle that knows the taste would show. For measuring only.
        """
        scenes, palettes, tones = self._wants(product, round_number)
        look = Look(
            max(scenes, key=scenes.__getitem__),
            max(palettes, key=palettes.__getitem__),
            max(tones, key=tones.__getitem__),
        )
        return look, self.chance_of(look, product, round_number)

    def chance_of(self, look: Look, product: Product, round_number: int = 0) -> float:
        """Chance of a click on an ad for a product that is wholly in a look, on top of the page,
        its title in the look's tone: for measuring only.
        """
        return self._chance(
            scenes={look.scene: 1.0},
            palettes={look.palette: 1.0},
            tones={look.tone: 1.0},
            named=True,
            product=product,
            position=0,
            round_number=round_number,
        )

    def _chance(
        self,
        *,
        scenes: Mapping[str, float],
        palettes: Mapping[str, float],
        tones: Mapping[str, float],
        named: bool,
        product: Product,
        position: int,
        round_number: int,
    ) -> float:
        wanted_scenes, wanted_palettes, wanted_tones = self._wants(product, round_number)
        log_odds = _RULE.log_odds(
            _overlap(scenes, wanted_scenes),
            _overlap(palettes, wanted_palettes),
            _overlap(tones, wanted_tones),
            self.taste.categories[product.category],
            named=named,
        )
        return self.attention**position * _RULE.chance(log_odds, self.noise)

    def _wants(
        self, product: Product, round_number: int
    ) -> tuple[Mapping[str, float], Mapping[str, float], Mapping[str, float]]:
        """Likings by scene, palette and tone for a product in that round."""
        share = self.fashion.share(round_number) if self.fashion else 0.0
        in_fashion = self.fashion.look_of(product) if self.fashion and share else None
        if in_fashion is None:
            return self.taste.scenes, self.taste.palettes, self.taste.tones
        return (
            _blend(self.taste.scenes, in_fashion.scene, share),
            _blend(self.taste.palettes, in_fashion.palette, share),
            _blend(self.taste.tones, in_fashion.tone, share),
        )


def _second(name: str, liked: tuple[float, float], rng: random.Random) -> dict[str, float]:
    often, much = liked
    return {name: much} if rng.random() < often else {}


def _overlap(seen: Mapping[str, float], wanted: Mapping[str, float]) -> float:
    return sum(wanted.get(name, 0.0) * weight for name, weight in seen.items())


def _blend(own: Mapping[str, float], in_fashion: str, share: float) -> dict[str, float]:
    blended = {name: (1 - share) * liking for name, liking in own.items()}
    blended[in_fashion] = blended.get(in_fashion, 0.0) + share
    return blended
