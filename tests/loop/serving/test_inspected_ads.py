"""A request is never answered by an ad that may not be shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adloom.feature_store.store import FeatureStore
from adloom.loop.catalogue.creatives.reviewing import ban, judge, reviews_of
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.serving.ads import AdMaker
from adloom.loop.serving.kept_ads import NotShown
from adloom.loop.serving.requests import AdRequest, Preview, Serving, Variant
from adloom.loop.serving.titles import another_seed
from adloom.loop.settings.review import ReviewSettings
from adloom.models.titles.rules import TitleRules
from tests.loop_parts import ad_maker, tiny_settings

PRODUCT = next(iter(load_catalog().values()))
SERVING = Serving("champion", 1, None)
ASKED = AdRequest("ann", PRODUCT, 5)


@pytest.fixture
def maker(tmp_path: Path, store: FeatureStore) -> Iterator[AdMaker]:
    made = ad_maker(tiny_settings(tmp_path), store)
    yield made
    made.creatives.close()


def strict(maker: AdMaker, store: FeatureStore, **review: object) -> AdMaker:
    """One that shares its stores and holds ads against other settings."""
    held_against = ReviewSettings.model_validate(review)
    parts = maker.generator, store, maker.past_ads, maker.settings
    return AdMaker(*parts, lambda product: TitleRules(), held_against)


def test_an_ad_like_a_banned_one_is_drawn_anew_and_the_first_waits_for_a_person(
    maker: AdMaker,
) -> None:
    [first] = maker.make([ASKED], SERVING)
    assert first.creative.state == "approved"
    ban(maker.creatives, [first.creative.ad_id], why="off", by="Ann")
    named = replace(ASKED, ad_id="11111111-1111-1111-1111-111111111111")
    [ad] = maker.make([named], SERVING)
    assert ad.creative.seed == another_seed(5)
    assert ad.creative.ad_id == named.ad_id
    assert ad.creative.state == "approved"
    assert ad.row_steps > first.row_steps
    drafts = maker.creatives.page(state="draft")
    assert [(draft.seed, draft.picture) for draft in drafts] == [(5, first.creative.picture)]
    [said] = reviews_of(maker.creatives.engine, [drafts[0].ad_id])[drafts[0].ad_id]
    assert (said.by, said.state) == ("inspection", "draft")
    assert "nearly that of an ad that was banned" in said.why


def test_where_no_drawing_passes_the_request_fails_and_says_why(
    maker: AdMaker, store: FeatureStore
) -> None:
    hard = strict(maker, store, least_contrast=100)
    named = replace(ASKED, ad_id="11111111-1111-1111-1111-111111111111")
    with pytest.raises(NotShown, match="the product does not stand out"):
        hard.make([named], SERVING)
    assert [ad.state for ad in maker.creatives.page()] == ["draft", "draft"]
    waits = maker.creatives.get(str(named.ad_id))
    judge(maker.creatives.engine, [waits.ad_id], "approved", why="", by="Ann")
    [ad] = hard.make([named], SERVING)
    assert (ad.creative.ad_id, ad.creative.picture) == (waits.ad_id, waits.picture)


def test_where_people_approve_every_ad_one_is_drawn_and_waits(
    maker: AdMaker, store: FeatureStore
) -> None:
    asking = strict(maker, store, required=True)
    with pytest.raises(NotShown, match="a person has to approve it"):
        asking.make([ASKED], SERVING)
    preview = Preview(Variant("champion", 1, maker.settings), ())
    [ad] = asking.make([replace(ASKED, seed=6, preview=preview)], SERVING)
    assert ad.creative.state == "draft"
    assert sorted((one.seed, one.state) for one in maker.creatives.page()) == [
        (5, "draft"),
        (6, "draft"),
    ]


def test_a_request_that_comes_again_does_not_get_what_was_banned_meanwhile(
    maker: AdMaker, store: FeatureStore
) -> None:
    named = replace(ASKED, ad_id="11111111-1111-1111-1111-111111111111")
    [ad] = maker.make([named], SERVING)
    [again] = maker.make([named], SERVING)
    assert again.creative.ad_id == ad.creative.ad_id
    ban(maker.creatives, [ad.creative.ad_id], why="off", by="Ann")
    with pytest.raises(NotShown):
        strict(maker, store, duplicate=0).make([replace(named, seed=9)], SERVING)
