"""Drifts of three kinds: of everybody, of half of the shoppers, of new products alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from adloom.loop.demo.ideal import IdealReader
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.copywriting import TONES
from adloom.loop.demo.shop.creatives import seed_creatives
from adloom.loop.demo.shop.fashion import Drift, Fashion
from adloom.loop.demo.shop.perception import ScenePerception
from adloom.loop.demo.shop.season import new_creatives
from adloom.loop.demo.shop.simulator import Crowd
from adloom.loop.demo.shop.splits import heldout_products

PRODUCTS = list(load_catalog().values())
NEW = {product.product_id for product in heldout_products()}


@pytest.fixture(scope="module")
def perception() -> ScenePerception:
    return ScenePerception.fitted(renders_per_look=3)


def drawn(drift: Drift) -> Fashion:
    return Fashion.drawn(load_catalog().categories, seed=0, drift=drift)


def changed(crowd: Crowd, product_ids: set[str]) -> float:
    """Share of shoppers who want another look of some products once fashion has moved."""
    moved = [
        shopper.favourite(load_catalog()[product_id], 1)[0]
        != shopper.favourite(load_catalog()[product_id], 2)[0]
        for shopper in crowd.values()
        for product_id in product_ids
    ]
    return float(np.mean(moved))


@pytest.mark.parametrize(("drift", "share"), [("everybody", 1.0), ("half", 0.5)])
def test_who_goes_along_does_so_for_every_product(
    drift: Drift, share: float, perception: ScenePerception
) -> None:
    crowd = Crowd.gathered(200, seed=0, fashion=drawn(drift), perception=perception)
    again = Crowd.gathered(200, seed=0, fashion=drawn(drift), perception=perception)
    assert changed(crowd, NEW) == pytest.approx(share, abs=0.08)
    for user, shopper in crowd.items():
        assert shopper.fashion == again[user].fashion
        assert shopper.taste == again[user].taste


def test_new_products_alone_have_a_look_of_their_own(perception: ScenePerception) -> None:
    fashion = drawn("launch")
    crowd = Crowd.gathered(20, seed=0, fashion=fashion, perception=perception)
    assert changed(crowd, NEW) == 1.0
    assert changed(crowd, {product.product_id for product in PRODUCTS} - NEW) == 0.0


def test_nobody_sells_them_before_and_then_they_are_half_of_it(
    perception: ScenePerception,
) -> None:
    fashion = drawn("launch")
    crowd = Crowd.gathered(20, seed=0, fashion=fashion, perception=perception)

    def of_new(product_ids: list[str]) -> float:
        return float(np.mean([product_id in NEW for product_id in product_ids]))

    for number, share in ((1, 0.0), (2, 0.5), (3, 0.5)):
        visits = crowd.visits(400, round_number=number, fashion=fashion)
        assert of_new([visit.product_id for visit in visits]) == pytest.approx(share, abs=0.1)
        ads = new_creatives(200, fashion=fashion, follow=0.5, round_number=number, seed=0)
        assert of_new([ad.product.product_id for ad in ads]) == pytest.approx(share, abs=0.1)
        dressed = [ad for ad in ads if ad.look.tone == TONES[-1]]
        assert (len(dressed) > 20) == bool(share)
    assert not NEW & {one.product_id for one in fashion.on_sale(0)}
    assert {one.product_id for one in fashion.on_sale(2)} >= NEW


@pytest.mark.parametrize("drift", ["everybody", "half"])
def test_all_is_on_sale_once_where_nothing_is_new(drift: Drift) -> None:
    for number in (0, 1, 5):
        assert drawn(drift).on_sale(number) == PRODUCTS
    ads = Counter(ad.product.product_id for ad in seed_creatives(2 * len(PRODUCTS), seed=1))
    assert set(ads.values()) == {2}


def test_a_reader_who_knows_that_half_go_along_loses_little_with_either(
    perception: ScenePerception,
) -> None:
    """Beside readers who take all shoppers for followers, or none."""
    ads = seed_creatives(60, seed=0)
    crowd = Crowd.gathered(40, seed=0, fashion=drawn("half"), perception=perception)
    visits = crowd.visits(80, round_number=2)

    def rate(fashion: Fashion | None) -> float:
        reader = IdealReader(crowd, perception, ads, fashion)
        told = [reader.chance(v.user_id, load_catalog()[v.product_id], 2) for v in visits]
        return float(np.mean(told))

    best = [crowd[v.user_id].favourite(load_catalog()[v.product_id], 2)[1] for v in visits]
    knows, all_follow, none_follow = map(rate, (drawn("half"), drawn("everybody"), None))
    assert none_follow < knows < float(np.mean(best))
    assert all_follow <= knows + 0.02
