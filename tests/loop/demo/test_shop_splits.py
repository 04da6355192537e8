"""What training may not see."""

from __future__ import annotations

from collections import Counter

from adloom.loop.demo.pretraining.ads import render_pool
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.copywriting import TONES
from adloom.loop.demo.shop.scenes import PALETTES, SCENES, render_scene
from adloom.loop.demo.shop.splits import (
    HELDOUT_SEED,
    heldout_looks,
    heldout_products,
    training_looks,
    training_products,
    trend_looks,
)


def test_every_product_is_on_one_side() -> None:
    held, training = heldout_products(), training_products()
    assert {*held, *training} == set(load_catalog().values())
    assert len(held) + len(training) == len(load_catalog())
    assert set(Counter(p.category for p in held).values()) == {2}
    assert held == heldout_products()


def test_about_a_fifth_of_the_looks_is_held_out_and_every_part_of_them_is_known() -> None:
    held, known, trend = set(heldout_looks()), set(training_looks()), set(trend_looks())
    assert not held & known
    assert not (held | known) & trend
    assert len(held | known | trend) == len(SCENES) * len(PALETTES) * len(TONES)
    assert 0.15 < len(held) / len(held | known) < 0.25
    for looks in (held, known):
        assert {look.scene for look in looks} == set(SCENES[:-1])
        assert {look.palette for look in looks} == set(PALETTES)
        assert {look.tone for look in looks} == set(TONES[:-1])


def test_a_heldout_backdrop_is_drawn_like_any_other() -> None:
    backdrop = render_scene("beach", "warm", seed=HELDOUT_SEED, size=16)
    assert backdrop.size == (16, 16)


def test_pretraining_leaves_the_heldout_out() -> None:
    pool = render_pool(training_products(), 1, 16, 0, lambda: None)
    assert not {p.product_id for p in pool.products} & {p.product_id for p in heldout_products()}
