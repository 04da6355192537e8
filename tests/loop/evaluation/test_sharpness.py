"""What is soft has less edge energy and another texture, whatever its colours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter, ImageOps

from adloom.loop.demo.shop.scenes import SCENES, render_scene
from adloom.loop.evaluation.intervals import ratio_interval
from adloom.loop.evaluation.sharpness import SIDE, TextureJudge, edge_energy

SHARP = ("brick", "kitchen", "forest", "neon_city", "marble", "vaporwave")


@pytest.fixture(scope="module")
def judge() -> TextureJudge:
    return TextureJudge.fitted()


def scene(name: str, seed: int = 7) -> Image.Image:
    return render_scene(name, "warm", seed=2**31 + seed, size=SIDE)


@pytest.mark.parametrize("name", SHARP)
def test_blur_takes_edge_energy(name: str) -> None:
    sharp = scene(name)
    energies = [edge_energy(sharp.filter(ImageFilter.GaussianBlur(radius))) for radius in (0, 2, 6)]
    assert energies[0] > energies[1] > energies[2] > 0


def test_a_plain_picture_has_no_edges() -> None:
    assert edge_energy(Image.new("RGB", (96, 96), "#804020")) == 0


def test_edges_count_at_the_size_at_which_ads_are_shown() -> None:
    small = scene("brick").resize((96, 96), Image.Resampling.LANCZOS)
    large = small.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    assert edge_energy(small) == pytest.approx(edge_energy(large), rel=0.01)


def test_real_scenes_are_told_by_their_texture(judge: TextureJudge) -> None:
    found = judge.scenes([scene(name) for name in SCENES])
    assert sum(told == name for told, name in zip(found, SCENES, strict=True)) >= 14


def test_neither_colour_nor_place_tells_a_texture(judge: TextureJudge) -> None:
    real = [scene(name) for name in SHARP]
    mirrored = [ImageOps.mirror(picture) for picture in real]
    grey = [picture.convert("L").convert("RGB") for picture in real]
    assert judge.scenes(mirrored) == judge.scenes(grey) == judge.scenes(real)


def test_a_soft_picture_has_lost_its_texture(judge: TextureJudge) -> None:
    soft = [scene(name).filter(ImageFilter.GaussianBlur(12)) for name in SHARP]
    found = judge.scenes(soft)
    assert sum(told == name for told, name in zip(found, SHARP, strict=True)) <= 2


@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=20), st.floats(0.1, 10))
def test_the_share_of_a_multiple_is_known_for_certain(values: list[float], times: float) -> None:
    wholes = np.array(values)
    figure = ratio_interval(times * wholes, wholes)
    assert (figure.low, figure.mean, figure.high) == pytest.approx((times,) * 3)


def test_a_share_has_an_interval_around_it() -> None:
    rng = np.random.default_rng(0)
    figure = ratio_interval(rng.uniform(0, 1, 50), rng.uniform(0.5, 1, 50))
    assert figure.low < figure.mean < figure.high
    with pytest.raises(ValueError, match="two records"):
        ratio_interval(np.ones(1), np.ones(1))
