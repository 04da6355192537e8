"""Ads for shoppers: of several candidates the one that fits what was clicked is served."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adloom.feature_store.store import FeatureStore
from adloom.loop.catalogue.briefs import brief, candidate_seeds
from adloom.loop.catalogue.histories.past_ads import past_ad
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.serving.ads import AdMaker
from adloom.loop.serving.requests import AdRequest, Preview, Serving, Variant
from adloom.models.settings import GeneratorSettings
from tests.loop_parts import ad_maker, keep_shop_ads, tiny_settings
from tests.tiny_model import TINY

PRODUCT = next(iter(load_catalog().values()))
SERVING = Serving("champion", 1, None)


@pytest.fixture
def maker(tmp_path: Path, store: FeatureStore) -> Iterator[AdMaker]:
    made = ad_maker(tiny_settings(tmp_path), store)
    made.settings = GeneratorSettings()
    yield made
    made.creatives.close()


def test_the_first_candidate_has_the_seed_that_was_asked_for() -> None:
    assert candidate_seeds(7, 1) == (7,)
    assert candidate_seeds(7, 4)[:3] == candidate_seeds(7, 3)
    assert len(set(candidate_seeds(7, 16))) == 16


def test_the_candidate_most_like_the_clicked_ads_is_served(maker: AdMaker) -> None:
    clicked = tuple(past_ad(ad, ad.codes) for ad in keep_shop_ads(maker.creatives, 3))
    preview = Preview(Variant("champion", 1, maker.settings), clicked)
    asked = AdRequest("ann", PRODUCT, 11, preview=preview)
    alone = [maker.make([replace(asked, seed=seed)], SERVING)[0] for seed in candidate_seeds(11, 4)]
    best = maker.reranker.best([ad.picture for ad in alone], brief(PRODUCT, clicked).history)
    several = replace(SERVING, settings=maker.settings.model_copy(update={"candidates": 4}))
    (chosen,) = maker.make([asked], several)
    assert chosen.picture.tobytes() == alone[best].picture.tobytes()
    assert chosen.creative.title == alone[best].creative.title
    assert chosen.creative.seed == 11
    drawn, expected = chosen.creative.background_codes, alone[best].creative.background_codes
    assert len(drawn) == TINY.image_tokens
    assert (drawn == expected).all()
    assert chosen.creative.codebook == maker.generator.codebook_name
