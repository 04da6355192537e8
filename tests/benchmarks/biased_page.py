"""A shop whose page always has one look on top and a better-liked one further down, and a crowd
that seldom looks down a page."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adloom.loop.demo.shop.creatives import SeedCreative, glance, seed_creatives
from adloom.loop.demo.shop.perception import ScenePerception
from adloom.loop.demo.shop.scenes import SCENES
from adloom.loop.demo.shop.simulator import ADS_LOOKED_AT, Crowd
from adloom.loop.demo.shop.taste import Shopper

UNTIL = datetime(2026, 1, 15, tzinfo=UTC)
_SINCE = UNTIL - timedelta(days=14)
_LIKE, _LIKE_THE_OTHER = 0.6, 0.25
"""Shares of shoppers who love the look below, and that on top; the others have a taste of their
own."""
_BELOW = 2
"""Where the better-liked look stands; the other stands at 0."""
_ARRANGED = 0.5
"""Share of pages that are; on the others ads of other looks stand in any order."""

Look = Literal["liked", "on_top", "other"]


@dataclass(frozen=True)
class Showings:
    """What happened, as arrays of a showing each, oldest first: ``(n,)``.

    Attributes:
        position: int64, from 0 at the top.
        ad: int64, place in the shop's ads.
        user: int64, number of the shopper.
        chance: float64 that the ad is clicked by who looks at it: what nobody in the loop knows.
        clicked: bool.
    """

    position: NDArray[np.int64]
    ad: NDArray[np.int64]
    user: NDArray[np.int64]
    chance: NDArray[np.float64]
    clicked: NDArray[np.bool_]


class BiasedPage:
    """A crowd whose every shopper looks at the next position with a chance of ``attention``."""

    def __init__(
        self,
        perception: ScenePerception,
        *,
        seed: int,
        shoppers: int,
        visits: int,
        attention: float,
    ) -> None:
        self.on_top, self.liked = random.Random(f"page/{seed}").sample(SCENES[:-1], 2)
        self.attention = attention
        self.ads = seed_creatives(240, seed=seed)
        drawn = Crowd.gathered(shoppers, seed=seed, perception=perception)
        people = [self._person(shopper, seed) for shopper in drawn.values()]
        self.crowd = Crowd(people, perception, seed=seed)
        self._perception = perception
        self.showings = self._browsed(people, visits, random.Random(f"browse/{seed}"))

    @property
    def examination(self) -> NDArray[np.float64]:
        """The truth: how likely each position is looked at, ``(positions,)``."""
        return self.attention ** np.arange(ADS_LOOKED_AT, dtype=np.float64)

    def look(self, ad: SeedCreative) -> Look:
        """Which of the looks an ad is in."""
        scenes: Mapping[str, Look] = {self.liked: "liked", self.on_top: "on_top"}
        return scenes.get(ad.look.scene, "other")

    def events(self) -> pd.DataFrame:
        """What the event log would read of it: a click follows its impression by a minute."""
        shown, minute = self.showings, timedelta(minutes=1)
        ts = pd.date_range(_SINCE, UNTIL - 2 * minute, periods=len(shown.ad)).as_unit("us")
        table = pd.DataFrame(
            {
                "kind": "impression",
                "ts": ts,
                "user_id": [f"shopper-{user}" for user in shown.user],
                "item_id": [self.ads[ad].product.product_id for ad in shown.ad],
                "ad_id": [self.ads[ad].ad_id for ad in shown.ad],
                "position": shown.position,
            }
        )
        clicks = table[shown.clicked].assign(kind="click", ts=ts[shown.clicked] + minute)
        return pd.concat([table, clicks]).sort_values("ts", kind="stable", ignore_index=True)

    def _person(self, shopper: Shopper, seed: int) -> Shopper:
        drawn = random.Random(f"taste/{seed}/{shopper.user_id}").random()
        scenes = shopper.taste.scenes
        if drawn < _LIKE:
            scenes = {self.liked: 1.0}
        elif drawn < _LIKE + _LIKE_THE_OTHER:
            scenes = {self.on_top: 1.0}
        taste = replace(shopper.taste, scenes=scenes)
        return replace(shopper, taste=taste, attention=self.attention)

    def _browsed(self, people: Sequence[Shopper], visits: int, rng: random.Random) -> Showings:
        sights = self._perception.see([glance(ad) for ad in self.ads])
        pages = [user for user in range(len(people)) for _ in range(visits)]
        rng.shuffle(pages)
        rows = []
        for user in pages:
            for position, ad in enumerate(self._page(rng)):
                creative = self.ads[ad]
                chance = people[user].click_probability(
                    sights[ad], creative.title, creative.product
                )
                clicked = rng.random() < chance * self.attention**position
                rows.append((position, ad, user, chance, clicked))
        positions, ads, users, chances, clicks = (np.array(of) for of in zip(*rows, strict=True))
        return Showings(positions, ads, users, chances, clicks)

    def _page(self, rng: random.Random) -> Iterator[int]:
        """The ads of a page, from its top."""
        by_look: dict[Look, list[int]] = {"liked": [], "on_top": [], "other": []}
        for number, ad in enumerate(self.ads):
            by_look[self.look(ad)].append(number)
        others = iter(rng.sample(by_look["other"], ADS_LOOKED_AT))
        arranged = rng.random() < _ARRANGED
        for position in range(ADS_LOOKED_AT):
            if arranged and position == 0:
                yield rng.choice(by_look["on_top"])
            elif arranged and position == _BELOW:
                yield rng.choice(by_look["liked"])
            else:
                yield next(others)
