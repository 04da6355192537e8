"""Of several ads the one most like the clicked ones is chosen."""

from __future__ import annotations

import numpy as np
import pytest

from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.creatives import Look, SeedCreative
from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import HistoryAd
from adloom.models.quality.rerank import Reranker

PRODUCTS = list(load_catalog().values())
SCENES = (("beach", "warm"), ("neon_city", "cool"))


@pytest.fixture(scope="module")
def generator() -> AdGenerator:
    """The bundled one: its codes stand for pictures."""
    return AdGenerator.from_pretrained()


def ads(scene: str, palette: str, n: int, first: int) -> list[SeedCreative]:
    look = Look(scene, palette, "eco")
    return [SeedCreative(f"{i}", PRODUCTS[i], look, "", i) for i in range(first, first + n)]


def test_the_best_ad_is_like_what_was_clicked(generator: AdGenerator) -> None:
    reranker = Reranker(generator)
    candidates = [ads(*scene, 1, 60)[0].picture(96) for scene in SCENES]
    for number, scene in enumerate(SCENES):
        codes = generator.encode_pictures([ad.picture(96) for ad in ads(*scene, 4, 0)])
        clicked = [HistoryAd("", code) for code in codes]
        assert reranker.best(candidates, clicked) == number
        assert reranker.best(candidates[::-1], clicked) == 1 - number


def test_what_says_most_counts_most(generator: AdGenerator) -> None:
    reranker = Reranker(generator)
    candidates = [ads(*scene, 1, 60)[0].picture(96) for scene in SCENES]
    beach, city = (
        [HistoryAd("", code) for code in generator.encode_pictures([a.picture(96) for a in three])]
        for three in (ads(*scene, 3, 0) for scene in SCENES)
    )
    assert reranker.best(candidates, [*beach, *city]) == 0
    assert reranker.best(candidates, [*city, *beach]) == 1


def test_without_clicks_or_choice_it_is_the_first(generator: AdGenerator) -> None:
    reranker = Reranker(generator)
    picture = ads(*SCENES[0], 1, 60)[0].picture(96)
    assert reranker.best([picture, picture], []) == 0
    assert reranker.best([picture], [HistoryAd("", np.zeros(144, np.int16))]) == 0
