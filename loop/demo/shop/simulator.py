"""A crowd of simulated shoppers: the demo's source of impressions and clicks.

Shoppers see pictures and titles, never labels, and the loop sees nothing of them but events.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from PIL import Image

from adloom.loop.catalogue.product import Product
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.creatives import SeedCreative
from adloom.loop.demo.shop.fashion import Fashion
from adloom.loop.demo.shop.perception import ScenePerception
from adloom.loop.demo.shop.taste import Shopper
from adloom.stream.events import Click, Impression

ADS_ON_A_PAGE = 20
ADS_LOOKED_AT = 5
"""Of a page, those that catch the eye."""
VISITS = 16
"""To the shop, of each shopper in the weeks before adloom, on average."""
_LONGEST_THOUGHT = timedelta(seconds=20)


@dataclass(frozen=True)
class ShownAd:
    """An ad as a shopper met it: the picture may have any size."""

    ad_id: str
    user_id: str
    product: Product
    title: str
    picture: Image.Image
    shown_at: datetime
    position: int = 0
    variant: str | None = None
    propensity: float | None = None


@dataclass(frozen=True)
class Visit:
    """A shopper who opens the page of a product: the ad server is asked for an ad."""

    user_id: str
    product_id: str


class Crowd(Mapping[str, Shopper]):
    """Shoppers by user id. The same seed makes the same people with the same moods."""

    def __init__(
        self, shoppers: Iterable[Shopper], perception: ScenePerception, *, seed: int
    ) -> None:
        self._shoppers = {shopper.user_id: shopper for shopper in shoppers}
        self._perception = perception
        self._seed = seed

    @classmethod
    def gathered(
        cls,
        size: int,
        *,
        seed: int,
        fashion: Fashion | None = None,
        perception: ScenePerception | None = None,
    ) -> Crowd:
        """Draw `size` shoppers; `fashion` is the drift they go along with, if any."""
        categories = load_catalog().categories
        shoppers = [
            Shopper.drawn(f"shopper-{number:04d}", categories, seed=seed, fashion=fashion)
            for number in range(size)
        ]
        return cls(shoppers, perception or ScenePerception.fitted(), seed=seed)

    def __getitem__(self, user_id: str) -> Shopper:
        return self._shoppers[user_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shoppers)

    def __len__(self) -> int:
        return len(self._shoppers)

    def browse(
        self,
        creatives: Sequence[SeedCreative],
        pictures: Sequence[Image.Image],
        *,
        until: datetime,
        since: datetime,
        visits: int = VISITS,
        share: float = 1.0,
        round_number: int = 0,
        thought: timedelta = _LONGEST_THOUGHT,
    ) -> list[Impression | Click]:
        """About `visits` visits to the shop of a `share` of the shoppers, before `until`.

        On each visit a page of the shop's ads is laid out; a shopper looks at the few that
        catch the eye (an impression each, in page order), at most for `thought`, and clicks some
        of them. Visits begin after `since`. `pictures[i]` is what `creatives[i]` looks like.
        Events come in order of time. Round 0 is the time before adloom.

        Raises:
            ValueError: `since` and `until` leave no time for a visit.
        """
        latest = until - thought * ADS_LOOKED_AT
        if latest < since:
            raise ValueError(f"a visit takes up to {thought * ADS_LOOKED_AT}: choose a longer time")
        sights = self._perception.see(pictures)
        events: list[Impression | Click] = []
        for shopper in self.values():
            rng = random.Random(f"browse/{self._seed}/{round_number}/{shopper.user_id}")
            if rng.random() >= share:
                continue
            chances = [
                shopper.click_probability(
                    sight, creative.title, creative.product, round_number=round_number
                )
                for sight, creative in zip(sights, creatives, strict=True)
            ]
            for _ in range(rng.randint(max(1, visits // 2), visits + visits // 2)):
                start = since + (latest - since) * rng.random()
                page = rng.sample(range(len(creatives)), min(ADS_ON_A_PAGE, len(creatives)))
                looked_at = _eye_catching(page, chances, rng)
                events += _visit(shopper, creatives, chances, looked_at, start, thought, rng)
        return sorted(events, key=lambda event: event.ts)

    def visits(self, n: int, *, round_number: int, fashion: Fashion | None = None) -> list[Visit]:
        """Who comes next, to which product: categories a shopper likes come up more often.

        What is on sale hangs on `fashion`, if any.
        """
        rng = random.Random(f"visits/{self._seed}/{round_number}")
        known = list(load_catalog().values())
        products = known if fashion is None else fashion.on_sale(round_number)
        came = rng.choices(list(self.values()), k=n)
        visits = []
        for shopper in came:
            weights = [2 ** shopper.taste.categories[product.category] for product in products]
            product = rng.choices(products, weights)[0]
            visits.append(Visit(shopper.user_id, product.product_id))
        return visits

    def chances(self, ads: Sequence[ShownAd], *, round_number: int) -> list[float]:
        """How likely each ad is clicked: for measuring, the loop only ever sees the clicks.

        Raises `KeyError` for a user who is not in the crowd.
        """
        return [
            self[ad.user_id].click_probability(
                sight, ad.title, ad.product, ad.position, round_number
            )
            for ad, sight in zip(ads, self._perception.see([ad.picture for ad in ads]), strict=True)
        ]

    def react(self, ads: Sequence[ShownAd], *, round_number: int) -> list[Click]:
        """Clicks on served ads, in order of time, a moment after each ad was shown.

        What a shopper does with an ad depends on the ad and the crowd's seed alone, not on
        what else is in the call. Raises `KeyError` for a user who is not in the crowd.
        """
        clicks = []
        for ad, chance in zip(ads, self.chances(ads, round_number=round_number), strict=True):
            mood = random.Random(f"react/{self._seed}/{ad.ad_id}")
            if mood.random() < chance:
                clicks.append(
                    Click(
                        event_id=_event_id(mood),
                        ts=ad.shown_at + timedelta(milliseconds=mood.randint(100, 900)),
                        user_id=ad.user_id,
                        item_id=ad.product.product_id,
                        ad_id=ad.ad_id,
                        variant=ad.variant,
                        propensity=ad.propensity,
                        position=ad.position,
                    )
                )
        return sorted(clicks, key=lambda click: click.ts)


def _eye_catching(page: Sequence[int], chances: Sequence[float], rng: random.Random) -> list[int]:
    """The ads of a page that are looked at, the likelier ones more often, in page order."""
    # Weighted sampling without replacement: the largest of u^(1/w).
    keys = {ad: rng.random() ** (1 / chances[ad]) for ad in page}
    seen = set(sorted(page, key=keys.__getitem__, reverse=True)[:ADS_LOOKED_AT])
    return [ad for ad in page if ad in seen]


def _visit(
    shopper: Shopper,
    creatives: Sequence[SeedCreative],
    chances: Sequence[float],
    looked_at: Sequence[int],
    start: datetime,
    thought: timedelta,
    rng: random.Random,
) -> Iterator[Impression | Click]:
    """The events of one visit; `chances` are those at the top of the page."""
    ts = start
    for position, index in enumerate(looked_at):
        creative = creatives[index]
        yield Impression(
            event_id=_event_id(rng),
            ts=ts,
            user_id=shopper.user_id,
            item_id=creative.product.product_id,
            ad_id=creative.ad_id,
            variant="shop",
            position=position,
        )
        ts += rng.uniform(0.1, 1.0) * thought
        if rng.random() < chances[index] * shopper.attention**position:
            yield Click(
                event_id=_event_id(rng),
                ts=ts,
                user_id=shopper.user_id,
                item_id=creative.product.product_id,
                ad_id=creative.ad_id,
                variant="shop",
                position=position,
            )


def _event_id(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
