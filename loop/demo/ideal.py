"""What the clicks before adloom could tell at best, beside which learning is shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np

from adloom.loop.catalogue.product import Product
from adloom.loop.demo.shop.click_rule import ClickRule
from adloom.loop.demo.shop.creatives import Look, SeedCreative, glance
from adloom.loop.demo.shop.perception import ScenePerception
from adloom.loop.demo.shop.showings import reader_of, showings_of
from adloom.loop.demo.shop.simulator import VISITS, Crowd
from adloom.loop.demo.shop.taste import NOISE, Fashion
from adloom.loop.demo.shop.taste_reader import Showing, TasteReader
from adloom.loop.demo.shop.tastes import Tastes

_UNTIL = datetime(2026, 1, 15, tzinfo=UTC)
_BEFORE = timedelta(days=14)


class IdealReader:
    """Reads each shopper's clicks of the two weeks before by Bayes' rule, and knows the fashion.

    It knows the simulator's rules and never a taste: nobody who reads the same clicks does better
    on average. What shoppers do later it does not read.
    """

    def __init__(
        self,
        crowd: Crowd,
        perception: ScenePerception,
        ads: Sequence[SeedCreative],
        fashion: Fashion | None,
    ) -> None:
        """``ads`` are those that the crowd browsed; ``fashion`` is what it follows, if any."""
        self._crowd, self._perception = crowd, perception
        self._ads, self._fashion = ads, fashion
        self._rule, self._noise = ClickRule(), float(np.mean(NOISE))
        self._looks: dict[tuple[str, str, float], Look] = {}
        self._tastes: dict[str, Tastes] = {}

    def chance(self, user_id: str, product: Product, round_number: int) -> float:
        """Of a click on an ad wholly in the look that it would show."""
        fashion = self._fashion
        share = fashion.share(round_number) if fashion else 0.0
        category = product.category if share else ""
        key = user_id, category, share
        if key not in self._looks:
            followed = fashion.look_of_category[category] if fashion and share else None
            if user_id not in self._tastes:
                reader, showings = self._browsed
                self._tastes[user_id] = reader.of_clicks(showings[user_id])
            tastes = self._tastes[user_id]
            self._looks[key] = tastes.best(self._rule, self._noise, followed, share)
        return self._crowd[user_id].chance_of(self._looks[key], product, round_number)

    @cached_property
    def _browsed(self) -> tuple[TasteReader, dict[str, list[Showing]]]:
        """Who reads, and what each shopper did with the ads."""
        # The crowd does the same whenever it is asked: a run that goes on reads what it did.
        pictures = [glance(ad) for ad in self._ads]
        events = self._crowd.browse(self._ads, pictures, since=_UNTIL - _BEFORE, until=_UNTIL)
        sights = self._perception.see(pictures)
        reader = reader_of(self._ads, sights, noise=self._noise, visits=VISITS)
        return reader, showings_of(events, self._ads, self._crowd)
