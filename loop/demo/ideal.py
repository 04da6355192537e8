"""What the clicks before adloom could tell at best, beside which learning is shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np

from adloom.loop.catalogue.product import Product
from adloom.loop.demo.shop.click_rule import ClickRule
from adloom.loop.demo.shop.creatives import Look, SeedCreative, glance
from adloom.loop.demo.shop.fashion import Fashion
from adloom.loop.demo.shop.perception import ScenePerception
from adloom.loop.demo.shop.showings import reader_of, showings_of
from adloom.loop.demo.shop.simulator import VISITS, Crowd
from adloom.loop.demo.shop.taste import NOISE
from adloom.loop.demo.shop.taste_reader import Showing, TasteReader
from adloom.loop.demo.shop.tastes import Tastes, likeliest

_UNTIL = datetime(2026, 1, 15, tzinfo=UTC)
_BEFORE = timedelta(days=14)


class IdealReader:
    """Reads each shopper's clicks of the two weeks before by Bayes' rule, and knows the fashion,
    but not who follows it.

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
        self._looks: dict[tuple[str, Look | None, float], Look] = {}
        self._tastes: dict[str, Tastes] = {}

    def chance(self, user_id: str, product: Product, round_number: int) -> float:
        """Of a click on an ad wholly in the look that it would show."""
        fashion = self._fashion
        share = fashion.share(round_number) if fashion else 0.0
        wanted = fashion.look_of(product) if fashion and share else None
        key = user_id, wanted, share
        if key not in self._looks:
            if user_id not in self._tastes:
                reader, showings = self._browsed
                self._tastes[user_id] = reader.of_clicks(showings[user_id])
            tastes = self._tastes[user_id]
            chances = tastes.chances(self._rule, self._noise)
            if fashion is not None and wanted is not None:
                going_along = tastes.chances(self._rule, self._noise, wanted, share)
                chances += fashion.followers * (going_along - chances)
            self._looks[key] = likeliest(chances)
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
