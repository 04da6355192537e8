"""Ads that a base of another codebook drew: as many codes, which mean other pictures."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image

from adloom.feature_store.store import FeatureStore, UserHistory
from adloom.loop import home
from adloom.loop.catalogue.creatives.store import Creative, CreativeStore
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.demo.shop.copywriting import title_rules
from adloom.loop.learning.click_trends import ClickTrends
from adloom.loop.learning.rounds.plan import NotEnoughClicks
from adloom.loop.learning.rounds.train import train_round
from adloom.loop.learning.target_codes import LearnableAds, TargetCodes
from adloom.loop.learning.training_set import ClickedAd, ShownAd, examples
from adloom.models.ad_generator import AdGenerator
from tests.loop.learning.showings import Row, event
from tests.loop_parts import keep_shop_ads, tiny_settings, training_ground
from tests.stocked import stocked_catalogue
from tests.tiny_model import tiny_generator, tiny_model

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
ITEMS = ("coffee-mug", "laptop", "running-shoes", "wrist-watch")


_SHOWN_AND_CLICKED: tuple[tuple[Literal["exposure", "click"], float], ...] = (
    ("exposure", 0.0),
    ("click", 0.5),
)


def other_generator(*, product_in_picture: bool = False) -> AdGenerator:
    """A base with as many codes, of a codebook of its own."""
    model = tiny_model()
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.janus.model.vqmodel.parameters():
            weight.add_(0.3 * weight.std() * torch.randn_like(weight) if weight.numel() > 1 else 0)
    model.config = model.config.model_copy(update={"product_in_picture": product_in_picture})
    return AdGenerator(model)


def keep(creatives: CreativeStore, base: AdGenerator, variant: str = "champion") -> list[Creative]:
    """An ad of each product as the base draws and keeps it."""
    rng, ads = np.random.default_rng(3), []
    for item in ITEMS:
        picture, background = (
            Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)) for _ in range(2)
        )
        codes = base.encode_pictures([picture, background])
        digest, now = creatives.put_picture(picture, lossless=True), NOON
        told = (f"{variant}-{item}", item, "A title", digest, codes[0], codes[1], variant, "1", 7)
        ads.append(Creative(*told, now, codebook=base.codebook_name))
    creatives.add(ads)
    return ads


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    found = stocked_catalogue(tmp_path / "home")
    yield found
    found.close()


@pytest.fixture
def creatives(catalogue: Catalogue, tmp_path: Path) -> Iterator[CreativeStore]:
    found = home.open_creatives(tiny_settings(tmp_path))
    yield found
    found.close()


def pictures(creatives: CreativeStore, ads: list[Creative]) -> list[Image.Image]:
    return [creatives.picture(ad.picture) for ad in ads]


def test_a_history_has_the_codes_of_the_base_that_reads_it(
    catalogue: Catalogue, creatives: CreativeStore
) -> None:
    ads = keep(creatives, tiny_generator())
    when = tuple(NOON + timedelta(minutes=n) for n, _ in enumerate(ads))
    clicks = UserHistory(ITEMS, when, tuple(ad.ad_id for ad in ads))
    for base in (tiny_generator(), other_generator()):
        past_ads = home.past_ads(catalogue, creatives, base)
        read = past_ads.representing(clicks, catalogue["hiking-boots"], 4)
        assert len(read) == 4
        for ad in read:
            [wanted] = base.encode_history([creatives.picture(ad.picture)])
            np.testing.assert_array_equal(ad.codes, wanted)
    kept, made = (
        home.past_ads(catalogue, creatives, base).codes_of(ads)
        for base in (tiny_generator(), other_generator())
    )
    assert all((kept[name] != made[name]).mean() > 0.5 for name in kept)
    clicked = [ClickedAd(ad.ad_id, "ann", ad.product_id, NOON, NOON) for ad in ads]
    trends = ClickTrends(clicked, home.past_ads(catalogue, creatives, other_generator())).now()
    for trend in trends.values():
        for ad_of_now in trend:
            np.testing.assert_array_equal(ad_of_now.codes, made[ad_of_now.ad_id])


def test_what_is_learnt_to_be_drawn_is_of_the_base_that_learns(
    catalogue: Catalogue, creatives: CreativeStore, store: FeatureStore
) -> None:
    ours, other, whole = (
        tiny_generator(),
        other_generator(),
        other_generator(product_in_picture=True),
    )
    drawn, shops = keep(creatives, ours), keep(creatives, ours, "shop")
    laid = [replace(ad, ad_id=f"laid-{ad.ad_id}", background="f" * 64) for ad in shops]
    creatives.add(laid)

    def targets(base: AdGenerator) -> TargetCodes:
        return TargetCodes.of_base(base, catalogue.engine, creatives)

    of_ours = targets(ours).of([*drawn, *shops, *laid])
    assert all(of_ours[ad.ad_id] is ad.background_codes for ad in [*drawn, *shops, *laid])
    of_other = targets(other).of([*drawn, *shops, *laid])
    assert of_other.keys() == {ad.ad_id for ad in shops}
    of_whole = targets(whole).of([*drawn, *shops, *laid])
    assert of_whole.keys() == of_ours.keys()
    encoded = other.encode_pictures(pictures(creatives, shops))
    for ad, wanted in zip(shops, encoded, strict=True):
        np.testing.assert_array_equal(of_other[ad.ad_id], wanted)
        np.testing.assert_array_equal(of_whole[ad.ad_id], wanted)

    shown = [ShownAd(ad.ad_id, "ann", ad.product_id, NOON) for ad in (drawn[0], shops[0])]
    past_ads = home.past_ads(catalogue, creatives, other)
    none, one = examples(
        shown, store, past_ads, targets(other), history_items=2, titles=title_rules
    )
    assert none is None
    assert one is not None
    np.testing.assert_array_equal(one.codes, encoded[0])


def test_ads_of_before_are_known_by_their_pictures(
    catalogue: Catalogue, creatives: CreativeStore
) -> None:
    ours = tiny_generator()
    told = keep(creatives, ours)
    old = [replace(ad, ad_id=f"old-{ad.ad_id}", codebook=None) for ad in told]
    creatives.add(old)
    asked = [ad.ad_id for ad in (*told, *old)] + ["nobody's"]

    def learnable(base: AdGenerator) -> set[str]:
        targets = TargetCodes.of_base(base, catalogue.engine, creatives)
        ads = LearnableAds(targets)
        found = set(ads.known_ads(asked))
        assert found | ads.left_out == {*asked} - {"nobody's"}
        return found

    assert learnable(other_generator()) == set()
    assert creatives.get(old[0].ad_id).codebook is None
    assert learnable(ours) == {ad.ad_id for ad in (*told, *old)}
    assert creatives.get(old[0].ad_id).codebook == ours.codebook_name
    assert learnable(other_generator()) == set()


def test_a_round_leaves_out_what_another_base_drew_and_says_so(
    tmp_path: Path, store: FeatureStore, caplog: pytest.LogCaptureFixture
) -> None:
    settings = tiny_settings(tmp_path)
    ground = training_ground(settings, store)
    creatives = ground.past_ads.creatives
    drawn = keep(creatives, other_generator())
    own = keep_shop_ads(creatives, 1)
    rows: list[Row] = [
        (kind, -60.0 + minute + late, user, ad)
        for minute, ad in enumerate([*drawn, *own])
        for user in ("ann", "bob", "cem")
        for kind, late in _SHOWN_AND_CLICKED
    ]
    now = datetime.now(UTC)
    store.log.append(
        [event(row, n)._replace(ts=now + timedelta(minutes=row[1])) for n, row in enumerate(rows)]
    )
    events = ground.events(now)
    assert (set(events.rows["ad_id"]), events.of_other_bases) == ({own[0].ad_id}, 4)
    with caplog.at_level(logging.WARNING), pytest.raises(NotEnoughClicks):
        train_round(ground)
    assert "4 ads are left out: other bases drew them" in caplog.text
    creatives.close()
