"""Two weeks of a crowd in the demo shop, and what its clicks let a generator or a reader know."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np

from adloom.loop.catalogue.briefs import brief, finished
from adloom.loop.catalogue.histories.reading import AdOfHistory, HistoryReader, considered
from adloom.loop.catalogue.product import Product
from adloom.loop.demo.shop.catalog import catalog_vectors, load_catalog
from adloom.loop.demo.shop.copywriting import title_rules
from adloom.loop.demo.shop.creatives import SeedCreative, seed_creatives
from adloom.loop.demo.shop.perception import ScenePerception
from adloom.loop.demo.shop.showings import reader_of, showings_of
from adloom.loop.demo.shop.simulator import Crowd, ShownAd, Visit
from adloom.loop.demo.shop.taste import NOISE, Shopper
from adloom.loop.demo.shop.taste_reader import TasteReader
from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import AdBrief, AdDraft, Codes, HistoryAd
from adloom.models.sampling import Sampling
from adloom.models.settings import GeneratorSettings
from adloom.stream.events import Click

MUCH_NOISE = (0.2, 0.4)
LOOKS = 96
"""Of what a shopper looked at, so much is kept."""
_UNTIL = datetime(2026, 1, 15, tzinfo=UTC)
_SINCE = _UNTIL - timedelta(days=14)
_PICTURE = 256


@dataclass(frozen=True)
class Size:
    """How much of a shop there is: ``visits`` to it by each shopper, on average."""

    shoppers: int = 160
    ads: int = 240
    visits: int = 16


class BrowsedShop:
    """A crowd that has browsed; ``noise`` is the least and most share of looks that is noise."""

    def __init__(
        self,
        size: Size,
        perception: ScenePerception,
        *,
        seed: int,
        noise: tuple[float, float] = NOISE,
    ) -> None:
        self.ads = seed_creatives(size.ads, seed=seed)
        self.crowd = _crowd(size.shoppers, perception, seed, noise)
        pictures = [ad.picture(64) for ad in self.ads]  # as large as a glance needs
        self._sights = perception.see(pictures)
        self._noise, self._visits = float(np.mean(noise)), size.visits
        events = self.crowd.browse(
            self.ads, pictures, since=_SINCE, until=_UNTIL, visits=size.visits
        )
        self.showings = showings_of(events, self.ads, self.crowd)
        numbers = {ad.ad_id: number for number, ad in enumerate(self.ads)}
        self.clicks: dict[str, list[tuple[int, datetime]]] = {user: [] for user in self.crowd}
        for event in events:
            if isinstance(event, Click):
                self.clicks[event.user_id].append((numbers[event.ad_id or ""], event.ts))

    @cached_property
    def reader(self) -> TasteReader:
        """Who knows the simulator's rules and the shop's ads."""
        return reader_of(self.ads, self._sights, noise=self._noise, visits=self._visits)

    def own_chance(self, visit: Visit) -> float:
        """Mean chance of the shop's own ads of the product, of all its ads where there is none."""
        shopper = self.crowd[visit.user_id]
        pairs = list(zip(self.ads, self._sights, strict=True))
        of_product = [pair for pair in pairs if pair[0].product.product_id == visit.product_id]
        chances = [
            shopper.click_probability(sight, ad.title, ad.product)
            for ad, sight in of_product or pairs
        ]
        return float(np.mean(chances))


class Drawer:
    """Draws for visits as the ad server does, each ad with the first title that comes."""

    def __init__(self, generator: AdGenerator, settings: GeneratorSettings) -> None:
        self._generator = generator
        self._settings = settings
        self._codes: dict[SeedCreative, Codes] = {}
        self._reader = HistoryReader(generator.code_vectors)

    def draw(
        self,
        shop: BrowsedShop,
        visits: Sequence[Visit],
        *,
        history: bool,
        sampling: Sampling | None = None,
    ) -> list[ShownAd]:
        """An ad a visit, on top of its page; without ``history`` nothing is known of anybody."""
        generator = self._generator
        how = sampling or generator.sampling(self._settings)
        briefs = [self._brief(shop, visit, history) for visit in visits]
        drafts: list[AdDraft] = []
        for start in range(0, len(briefs), self._settings.batch_size):
            some = briefs[start : start + self._settings.batch_size]
            seeds = range(start, start + len(some))
            drafts += generator.generate(some, seeds=seeds, sampling=how)
        return [
            self._shown(number, visit, draft)
            for number, (visit, draft) in enumerate(zip(visits, drafts, strict=True))
        ]

    def _brief(self, shop: BrowsedShop, visit: Visit, history: bool) -> AdBrief:
        product = load_catalog()[visit.product_id]
        ads = self._read(shop, visit, product) if history else []
        constrained = self._settings.constrain_titles
        return brief(product, ads, title_rules(product), constrained=constrained)

    def _read(self, shop: BrowsedShop, visit: Visit, product: Product) -> list[HistoryAd]:
        """The clicked ads that stand for the shopper's history, as they are read."""
        clicks, k = shop.clicks[visit.user_id], self._settings.history_items
        if not clicks:
            return []
        ads, times = [shop.ads[number] for number, _ in clicks], [at for _, at in clicks]
        vectors = catalog_vectors()
        items = np.stack([vectors[ad.product.product_id] for ad in ads])
        target = vectors[product.product_id]
        near = [ads[position] for position in considered(target, items, times, k)]
        new = [ad for ad in dict.fromkeys(near) if ad not in self._codes]
        codes = self._generator.encode_history([ad.picture(_PICTURE) for ad in new])
        self._codes.update(zip(new, codes, strict=True))
        told = [
            AdOfHistory(vectors[ad.product.product_id], ad.title, ad.product, self._codes[ad])
            for ad in near
        ]
        seen = self._seen(shop, visit.user_id)
        reading = self._reader.reading(target, told, k, seen, self._settings.seen_weight)
        return [
            HistoryAd(near[position].title, self._codes[near[position]], title_rank=rank)
            for position, rank in zip(reading.pictures, reading.title_ranks, strict=True)
        ]

    def _seen(self, shop: BrowsedShop, user: str) -> list[AdOfHistory]:
        """What a shopper looked at last, clicked or not."""
        looks = [shop.ads[showing.ad] for showing in shop.showings[user][-LOOKS:]]
        new = [ad for ad in dict.fromkeys(looks) if ad not in self._codes]
        codes = self._generator.encode_history([ad.picture(_PICTURE) for ad in new])
        self._codes.update(zip(new, codes, strict=True))
        vectors = catalog_vectors()
        return [
            AdOfHistory(vectors[ad.product.product_id], ad.title, ad.product, self._codes[ad])
            for ad in looks
        ]

    def _shown(self, number: int, visit: Visit, draft: AdDraft) -> ShownAd:
        product = load_catalog()[visit.product_id]
        shadow = self._generator.casts_shadow
        picture = finished(draft.background, product, size=_PICTURE, shadow=shadow)
        return ShownAd(f"drawn-{number}", visit.user_id, product, draft.title, picture, _UNTIL)


def _crowd(
    shoppers: int, perception: ScenePerception, seed: int, noise: tuple[float, float]
) -> Crowd:
    crowd = Crowd.gathered(shoppers, seed=seed, perception=perception)
    if noise == NOISE:
        return crowd
    rng = random.Random(f"noise/{seed}")
    people: list[Shopper] = [
        replace(shopper, noise=rng.uniform(*noise)) for shopper in crowd.values()
    ]
    return Crowd(people, perception, seed=seed)
