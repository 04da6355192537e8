"""The readers of `tests.benchmarks.ideal_reader` are where theory says."""

from __future__ import annotations

import random

import numpy as np
import pytest

from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.perception import ScenePerception
from adloom.loop.demo.shop.scenes import SCENES
from adloom.loop.demo.shop.simulator import Visit
from adloom.loop.demo.shop.taste import Taste
from adloom.loop.demo.shop.tastes import Tastes
from adloom.models.settings import GeneratorSettings
from tests.benchmarks.browsed_shop import BrowsedShop, Drawer, Size
from tests.benchmarks.ideal_reader import figures, read, run_seed
from tests.tiny_model import TINY, tiny_generator

SIZE = Size(shoppers=24, ads=60)
PRODUCT = next(iter(load_catalog().values()))


@pytest.fixture(scope="module")
def perception() -> ScenePerception:
    return ScenePerception.fitted(renders_per_look=2)


@pytest.fixture(scope="module")
def shop(perception: ScenePerception) -> BrowsedShop:
    return BrowsedShop(SIZE, perception, seed=0)


def test_who_knows_more_is_clicked_more(shop: BrowsedShop) -> None:
    visits = shop.crowd.visits(60, round_number=1)
    warm = {arm: np.mean(chances) for arm, chances in read(shop, visits).items()}
    cold = {arm: np.mean(chances) for arm, chances in read(shop, visits, cold=True).items()}
    assert warm["oracle"] == cold["oracle"] > warm["impressions"] > warm["clicks"]
    assert warm["clicks"] > warm["clicks_sampled"] > cold["clicks_sampled"]
    assert warm["clicks"] > 2 * cold["clicks"] == 2 * cold["impressions"]
    assert warm["shop"] == cold["shop"] > 0.03


def test_endless_clicks_tell_the_taste(perception: ScenePerception) -> None:
    shop = BrowsedShop(Size(shoppers=4, ads=60, visits=600), perception, seed=1)
    visits = [Visit(user, PRODUCT.product_id) for user in shop.crowd]
    rates = {arm: np.mean(chances) for arm, chances in read(shop, visits).items()}
    for reader in ("clicks", "impressions"):
        assert rates[reader] > 0.98 * rates["oracle"]


def test_the_prior_is_what_the_simulator_draws() -> None:
    rng = random.Random(0)
    tastes = [Taste.drawn(load_catalog().categories, rng) for _ in range(3000)]
    scenes = Tastes().favourites().sum((1, 2))
    drawn = [max(taste.scenes, key=taste.scenes.__getitem__) for taste in tastes]
    assert scenes[-1] == 0  # nobody loves the trend scene yet
    assert scenes[0] == pytest.approx(drawn.count("studio") / 3000, abs=0.015)


def test_a_belief_is_as_sure_as_it_may_be(shop: BrowsedShop) -> None:
    """Calibration: what is held for 60 % likely is so in 60 % of cases."""
    sure, right = [], []
    for user, shopper in shop.crowd.items():
        held = shop.reader.of_impressions(shop.showings[user]).favourites()
        best, _ = shopper.favourite(PRODUCT)
        scenes = held.sum((1, 2))
        sure.append(scenes.max())
        right.append(SCENES[int(scenes.argmax())] == best.scene)
    assert np.mean(right) == pytest.approx(np.mean(sure), abs=0.2)


def test_a_small_run_tells_every_condition(perception: ScenePerception) -> None:
    settings = GeneratorSettings(history_items=TINY.history_items, batch_size=2)
    drawer = Drawer(tiny_generator(), settings)
    result = figures([run_seed(0, SIZE, 2, drawer, perception)])
    assert set(result) == {"crowd", "noisy", "cold"}
    for arms in result.values():
        assert 0 < arms["champion"]["mean"] < arms["oracle"]["mean"] < 1
        assert arms["of_clicks"]["mean"] == pytest.approx(
            arms["champion"]["mean"] / arms["clicks"]["mean"]
        )
