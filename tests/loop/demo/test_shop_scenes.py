"""Backdrops, and what shoppers make out in them."""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.creatives import seed_creatives
from adloom.loop.demo.shop.perception import ScenePerception
from adloom.loop.demo.shop.scenes import PALETTES, SCENES, render_scene
from adloom.models.compose import compose_ad


def pixels(scene: str, palette: str, seed: int, size: int = 32) -> np.ndarray:
    return np.asarray(render_scene(scene, palette, seed=seed, size=size)).astype(int)


def test_there_are_enough_looks() -> None:
    assert len(SCENES) >= 12
    assert len(PALETTES) >= 4


@pytest.mark.parametrize("scene", SCENES)
def test_a_scene_is_repeatable_varied_and_tinted(scene: str) -> None:
    pictures = [pixels(scene, palette, 1) for palette in PALETTES]
    for palette, picture in zip(PALETTES, pictures, strict=True):
        assert picture.shape == (32, 32, 3)
        assert picture.std() > 5
        assert np.array_equal(picture, pixels(scene, palette, 1))
        assert not np.array_equal(picture, pixels(scene, palette, 2))
    for one in range(len(PALETTES)):
        for other in range(one):
            assert np.abs(pictures[one] - pictures[other]).mean() > 4


def test_scenes_differ_more_than_their_variants() -> None:
    for palette in PALETTES:
        means = {s: np.mean([pixels(s, palette, k) for k in range(4)], axis=0) for s in SCENES}
        for scene in SCENES:
            fresh = pixels(scene, palette, 77)
            distance = {s: np.abs(fresh - mean).mean() for s, mean in means.items()}
            assert sorted(distance, key=distance.__getitem__).index(scene) < 4


@pytest.mark.filterwarnings("error")
@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(SCENES),
    st.sampled_from(PALETTES),
    st.integers(0, 2**31 - 1),
    st.integers(16, 200),
)
def test_any_seed_and_size_paints(scene: str, palette: str, seed: int, size: int) -> None:
    picture = render_scene(scene, palette, seed=seed, size=size)
    assert picture.size == (size, size)
    assert picture.mode == "RGB"


def test_an_unknown_scene_or_palette_is_an_error() -> None:
    with pytest.raises(KeyError):
        render_scene("cellar", PALETTES[0], seed=0)
    with pytest.raises(KeyError):
        render_scene(SCENES[0], "mud", seed=0)


def test_the_shops_own_ads_are_dealt_evenly_and_the_trend_is_rare() -> None:
    ads = seed_creatives(600, seed=3)
    assert ads == seed_creatives(600, seed=3)
    assert ads[:50] != seed_creatives(50, seed=4)
    assert len({ad.ad_id for ad in ads}) == 600
    scenes = [ad.look.scene for ad in ads]
    assert scenes.count(SCENES[-1]) < 15
    counts = [scenes.count(scene) for scene in SCENES[:-1]]
    assert max(counts) - min(counts) <= 1
    assert {ad.product.product_id for ad in ads} == set(load_catalog())
    assert ads[0].picture(64).size == (64, 64)
    assert ads[0].background().size == (128, 128)


@pytest.fixture(scope="module")
def perception() -> ScenePerception:
    return ScenePerception.fitted(seed=0)


def seen_rightly(
    perception: ScenePerception, blur: float, wrong_blocks: int
) -> tuple[float, float]:
    """Share of scenes and palettes told right on new ads, as a weak generator draws them:
    96 px, blurred, some 8-px blocks out of other pictures, then upscaled with the product.
    """
    rng = random.Random(f"held out/{blur}/{wrong_blocks}")
    cutouts = [p.cutout() for p in load_catalog().values()]
    looks = list(product(SCENES, PALETTES))
    plates = [render_scene(s, p, seed=10**9 + rng.getrandbits(20), size=96) for s, p in looks]
    ads = []
    for plate in plates:
        drawn = plate.copy()
        for _ in range(wrong_blocks):
            x, y = rng.randrange(12) * 8, rng.randrange(12) * 8
            drawn.paste(rng.choice(plates).crop((x, y, x + 8, y + 8)), (x, y))
        drawn = drawn.filter(ImageFilter.GaussianBlur(blur))
        ads.append(compose_ad(drawn, rng.choice(cutouts), size=512))
    sights = perception.see(ads)
    right = [(s.scene == a, s.palette == b) for s, (a, b) in zip(sights, looks, strict=True)]
    scenes, palettes = np.mean(right, axis=0)
    return float(scenes), float(palettes)


@pytest.mark.parametrize(
    ("blur", "wrong_blocks", "share"), [(0, 0, 0.98), (3, 0, 0.97), (2, 14, 0.9), (3, 29, 0.8)]
)
def test_scene_and_palette_are_told_from_soft_pictures(
    perception: ScenePerception, blur: float, wrong_blocks: int, share: float
) -> None:
    scenes, palettes = seen_rightly(perception, blur, wrong_blocks)
    assert scenes >= share
    assert palettes >= share


def test_a_sight_is_a_pair_of_distributions(perception: ScenePerception) -> None:
    pictures = [Image.new("RGB", (40, 40), "grey"), Image.new("L", (512, 512))]
    for sight in perception.see(pictures):
        assert tuple(sight.scenes) == SCENES
        assert tuple(sight.palettes) == PALETTES
        assert sum(sight.scenes.values()) == pytest.approx(1)
        assert sum(sight.palettes.values()) == pytest.approx(1)
    assert perception.see([]) == []


def test_what_is_seen_does_not_hang_on_the_size(perception: ScenePerception) -> None:
    scene = render_scene("beach", "warm", seed=5, size=256)
    sights = perception.see([scene, scene.resize((512, 512)), scene.convert("RGBA")])
    assert {(s.scene, s.palette) for s in sights} == {("beach", "warm")}
