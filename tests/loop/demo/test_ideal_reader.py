"""The readers of `tests.benchmarks.ideal_reader` are where theory says."""

from __future__ import annotations

import random

import numpy as np
import pytest

from adloom.loop.demo.ideal import IdealReader
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.click_rule import ClickRule
from adloom.loop.demo.shop.copywriting import TONES
from adloom.loop.demo.shop.creatives import Look, seed_creatives
from adloom.loop.demo.shop.fashion import Fashion
from adloom.loop.demo.shop.perception import ScenePerception
from adloom.loop.demo.shop.scenes import PALETTES, SCENES
from adloom.loop.demo.shop.simulator import Crowd, Visit
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


def test_a_demo_is_held_against_what_its_first_clicks_tell(perception: ScenePerception) -> None:
    ads, categories = seed_creatives(60, seed=0), load_catalog().categories
    fashion = Fashion.drawn(categories, start_round=2, strength=0.3, seed=0)
    crowd = Crowd.gathered(24, seed=0, fashion=fashion, perception=perception)
    visits = crowd.visits(60, round_number=1)

    def rate(reader: IdealReader, number: int) -> float:
        told = [
            reader.chance(visit.user_id, load_catalog()[visit.product_id], number)
            for visit in visits
        ]
        return float(np.mean(told))

    def oracle(number: int) -> float:
        best = [
            crowd[visit.user_id].favourite(load_catalog()[visit.product_id], number)[1]
            for visit in visits
        ]
        return float(np.mean(best))

    knows, outdated = (IdealReader(crowd, perception, ads, known) for known in (fashion, None))
    assert 0.3 * oracle(1) < rate(knows, 1) == rate(outdated, 1) < oracle(1)
    assert rate(outdated, 2) < rate(knows, 2) <= oracle(2)


def test_in_full_fashion_everybody_likes_the_same() -> None:
    look = Look(SCENES[0], PALETTES[1], TONES[0])
    chances = Tastes().chances(ClickRule(), 0.05, look, 1.0)
    rule = ClickRule()
    assert chances[0, 1, 0] == chances.max()
    assert chances.max() == pytest.approx(rule.chance(rule.log_odds(1.0, 1.0, 1.0, 0.0), 0.05))


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
