"""Training shoppers, of several kinds: those of the panel, and those of crowds.

What the panel's kind likes depends on what is sold, and their many clicks are mostly clear. A
crowd's click few ads, in which often only the scene or only the tone was liked. The held-out
tastes and products are left to evaluation. Histories come out of the coarse stage, as they do when
ads are served: what they agree on comes first.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import torch

from adloom.loop.catalogue.histories.reading import AdOfHistory, HistoryReader, considered
from adloom.loop.catalogue.product import Product
from adloom.loop.demo.pretraining.crowds import Read
from adloom.loop.demo.pretraining.disguise import disguised
from adloom.loop.demo.shop.catalog import catalog_vectors
from adloom.loop.demo.shop.copywriting import TONES, tone_of, write_title
from adloom.loop.demo.shop.creatives import Look
from adloom.loop.demo.shop.panel import draw_taste
from adloom.loop.demo.shop.splits import heldout_looks, training_looks, trend_looks
from adloom.models.brief import AdBrief, Example, HistoryAd

_CLICKS = 24
_DAYS = 14.0
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_TREND_SHARE = 0.01
_RANDOM_HISTORIES = 0.1
"""Share of histories that are a random part of the clicks instead of the representatives."""
_COLD_STARTS = 0.1
_READINGS = 3
_DISGUISES = 0.5
"""Share of products under a made-up name."""


class TrainingShoppers:
    """Draws examples of shoppers: a history, a product, and an ad that they would like.

    Args:
        styles: scene and palette of each rendered ad.
        products: its product, same order.
        plate_codes: VQ codes int16 ``(n, image tokens)`` of its backdrop with the shadow, what
            the generator learns to draw.
        ad_codes: same of the finished ad, what a history shows.
        reader: orders histories, by the codebook of those codes.
        crowd: people of crowds to draw from.
    """

    def __init__(
        self,
        styles: Sequence[tuple[str, str]],
        products: Sequence[Product],
        plate_codes: torch.Tensor,
        ad_codes: torch.Tensor,
        reader: HistoryReader,
        crowd: Sequence[Read] = (),
    ) -> None:
        self._products = products
        self._styles = list(styles)
        self._plates = plate_codes.numpy()
        self._ads = ad_codes.numpy()
        self._reader = reader
        self._crowd = crowd
        self._vectors = catalog_vectors()
        self._by_style: dict[tuple[str, str], list[int]] = {}
        for number, style in enumerate(styles):
            self._by_style.setdefault(style, []).append(number)

    def example(
        self,
        rng: random.Random,
        history_length: int,
        stray_clicks: float = 0.5,
        of_crowd: float = 0.0,
        follow: float = 0.0,
    ) -> Example:
        """One shopper's example with a history of ``history_length`` clicked ads, or none.

        With a chance of ``of_crowd`` somebody of a crowd, who would like what their clicks say, so
        far as these say anything; with a chance of ``follow`` what is read first stands for that.
        Else somebody with two looks; a share of up to
        ``stray_clicks`` of their clicks was on anything at random.
        """
        in_order = rng.random() >= _RANDOM_HISTORIES
        if rng.random() < of_crowd:
            target, tone, history = self._of_crowd(rng)
            if rng.random() < follow:
                target, tone = self._read_first(target, tone, history, history_length, rng)
                in_order = True
        else:
            target, tone, history = self._of_two_looks(stray_clicks, rng)
        product = self._products[target]
        if rng.random() < _COLD_STARTS:
            history = []
        read = self._representatives if in_order else self._random_part
        ads = [ad for _, ad in read(product, history, history_length, rng)]
        if rng.random() < _DISGUISES:
            product = disguised(product, rng)
        brief = AdBrief(product.name, product.selling_points, product.cutout(), tuple(ads))
        return Example(brief, write_title(product, tone, rng=rng), self._plates[target])

    def _of_two_looks(
        self, stray_clicks: float, rng: random.Random
    ) -> tuple[int, str, list[tuple[int, str]]]:
        """An ad of the pool, the tone for it, and the clicks."""
        taste = draw_taste(rng, training_looks())
        look = taste[rng.choice(list(taste))]
        if rng.random() < _TREND_SHARE:
            trend = rng.choice(trend_looks())
            taste = {category: trend if own == look else own for category, own in taste.items()}
            look = trend
        target = self._ad(look, _wanting(look, taste), rng)
        return target, look.tone, self._past(taste, stray_clicks, rng)

    def _of_crowd(self, rng: random.Random) -> tuple[int, str, list[tuple[int, str]]]:
        someone = rng.choice(self._crowd)
        trend = rng.choice(trend_looks()) if rng.random() < _TREND_SHARE else None
        renamed = someone.renamed(rng, trend)
        while renamed.best in heldout_looks():
            renamed = someone.renamed(rng)
        history = []
        for click in renamed.clicks:
            number = self._ad(click.look, {click.category}, rng)
            title = write_title(self._products[number], click.look.tone, rng=rng)
            history.append((number, title))
        drawn = self._by_style[renamed.best.scene, renamed.best.palette]
        return rng.choice(drawn), renamed.best.tone, history

    def _read_first(
        self,
        target: int,
        tone: str,
        clicks: Sequence[tuple[int, str]],
        k: int,
        rng: random.Random,
    ) -> tuple[int, str]:
        """An ad of the pool, and a tone, as the first picture and the first title of a reading.

        Which these are hangs on the product, and this on the ad: of a new product they may be
        others. ``target`` and ``tone`` stay where the look is held out.
        """
        for _ in range(_READINGS):
            read = self._representatives(self._products[target], clicks, k, rng)
            [title] = [ad.title for _, ad in read if ad.title_rank == 0][:1]
            style, said = self._styles[read[0][0]], tone_of(title) or tone
            if Look(*style, said) in heldout_looks():
                break
            if style == self._styles[target] and said == tone:
                break
            target, tone = rng.choice(self._by_style[style]), said
        return target, tone

    def _past(
        self, taste: Mapping[str, Look], stray_clicks: float, rng: random.Random
    ) -> list[tuple[int, str]]:
        """Clicked ads, oldest first: number in the pool and title."""
        noise = rng.uniform(0.0, stray_clicks)
        clicks = []
        for _ in range(_CLICKS):
            if rng.random() < noise:
                number = rng.randrange(len(self._products))
                tone = rng.choice(TONES[:-1])
            else:
                look = taste[rng.choice(list(taste))]
                number, tone = self._ad(look, _wanting(look, taste), rng), look.tone
            clicks.append((number, write_title(self._products[number], tone, rng=rng)))
        return clicks

    def _ad(self, look: Look, categories: Collection[str], rng: random.Random) -> int:
        """An ad of the pool in that look, of one of these categories where there is one."""
        drawn = self._by_style[look.scene, look.palette]
        wanted = [n for n in drawn if self._products[n].category in categories]
        return rng.choice(wanted or drawn)

    def _random_part(
        self, product: Product, ads: Sequence[tuple[int, str]], k: int, rng: random.Random
    ) -> list[tuple[int, HistoryAd]]:
        some = sorted(rng.sample(range(len(ads)), min(k, len(ads))))
        return [(ads[n][0], HistoryAd(ads[n][1], self._ads[ads[n][0]])) for n in some]

    def _representatives(
        self, product: Product, ads: Sequence[tuple[int, str]], k: int, rng: random.Random
    ) -> list[tuple[int, HistoryAd]]:
        """Ads of the pool by number, as they are read."""
        if not ads:
            return []
        sold = [self._products[number] for number, _ in ads]
        days = sorted((rng.uniform(0, _DAYS) for _ in ads), reverse=True)
        times = [_NOW - timedelta(days=day) for day in days]
        target = self._vectors[product.product_id]
        vectors = [self._vectors[one.product_id] for one in sold]
        near = considered(target, np.array(vectors, dtype=np.float32), times, k)
        told = [AdOfHistory(vectors[n], ads[n][1], sold[n], self._ads[ads[n][0]]) for n in near]
        reading = self._reader.reading(target, told, k)
        return [
            (number, HistoryAd(told[n].title, self._ads[number], title_rank=rank))
            for n, rank in zip(reading.pictures, reading.title_ranks, strict=True)
            for number in [ads[near[n]][0]]
        ]


def _wanting(look: Look, taste: Mapping[str, Look]) -> set[str]:
    """The categories for which a look is wanted."""
    return {category for category, own in taste.items() if own == look}
