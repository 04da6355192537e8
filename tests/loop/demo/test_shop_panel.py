"""Held-out shoppers whose taste is known."""

from __future__ import annotations

from adloom.loop.demo.shop.panel import draw_panel
from adloom.loop.demo.shop.splits import (
    HELDOUT_SEED,
    heldout_looks,
    heldout_products,
    training_products,
)


def test_what_a_panel_wants_was_in_no_training() -> None:
    held, training = set(heldout_products()), set(training_products())
    looks = set(heldout_looks())
    for shopper in draw_panel(30, clicks=12, noise=0.0, seed=0):
        assert shopper.wanted.product in held
        assert shopper.wanted.look in looks
        assert len(shopper.history) == len(shopper.clicked_at) == 12
        assert list(shopper.clicked_at) == sorted(shopper.clicked_at)
        for ad in (*shopper.history, shopper.wanted):
            assert ad.seed >= HELDOUT_SEED
        assert {ad.product for ad in shopper.history} <= training


def test_taste_depends_on_the_category_and_clicks_follow_it() -> None:
    for shopper in draw_panel(30, clicks=24, noise=0.0, seed=1):
        looks = {ad.product.category: ad.look for ad in shopper.history}
        assert all(looks[ad.product.category] == ad.look for ad in shopper.history)
        assert len(set(looks.values())) <= 2
        assert looks.get(shopper.wanted.product.category, shopper.wanted.look) == (
            shopper.wanted.look
        )


def test_noise_changes_clicks_and_not_people() -> None:
    clean = draw_panel(40, clicks=24, noise=0.0, seed=2)
    noisy = draw_panel(40, clicks=24, noise=0.4, seed=2)
    assert [s.wanted for s in clean] == [s.wanted for s in noisy]
    liked = [{ad.look for ad in shopper.history} for shopper in clean]
    off = [ad.look not in own for s, own in zip(noisy, liked, strict=True) for ad in s.history]
    assert 0.33 < sum(off) / len(off) < 0.47
    assert noisy == draw_panel(40, clicks=24, noise=0.4, seed=2)
    assert draw_panel(5, clicks=24, noise=0.0, seed=2) == clean[:5]
