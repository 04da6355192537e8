"""Plans of experiments, held against statsmodels and against what plans promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import power_proportions_2indep

from adloom.loop.statistics.power import (
    Design,
    ads_needed,
    design_effect,
    detectable_lift,
    more_ads,
    needed_error,
    power_at,
)

DESIGNS = st.builds(
    Design,
    rate=st.floats(0.001, 0.5),
    share=st.floats(0.1, 0.5),
    control_share=st.floats(0.1, 0.5),
    alpha=st.floats(0.005, 0.2),
    power=st.floats(0.5, 0.99),
    expected=st.none() | st.floats(0.02, 0.5),
    margin=st.sampled_from([0.0, 0.05]),
    design_effect=st.floats(1.0, 5.0),
)


@pytest.mark.parametrize(
    ("rate", "lift", "share"), [(0.1, 0.1, 0.5), (0.02, 0.2, 0.5), (0.3, 0.05, 0.2)]
)
def test_the_power_of_one_look_is_that_of_statsmodels(
    rate: float, lift: float, share: float
) -> None:
    design = Design(rate, share=share, control_share=1 - share)
    for ads in (2_000, 20_000, 100_000):
        theirs = power_proportions_2indep(
            rate * lift, rate, ads * share, ratio=(1 - share) / share, return_results=False
        )
        assert power_at(design, ads, lift) == pytest.approx(theirs, abs=0.02)


@given(DESIGNS, st.floats(0.02, 0.8))
def test_the_ads_that_a_lift_needs_find_it_with_the_power_asked_for(
    design: Design, lift: float
) -> None:
    ads = ads_needed(design, lift)
    assert power_at(design, ads, lift) == pytest.approx(design.power, abs=1e-6)
    error = design.error(ads, lift)
    assert more_ads(1_000, error, needed_error(design, design.distance(lift))) in (0, 1)


@given(DESIGNS, st.floats(100, 1e7))
def test_a_smaller_lift_than_the_detectable_one_is_missed_more_often(
    design: Design, ads: float
) -> None:
    lift = detectable_lift(design, ads)
    if lift is None:
        assert power_at(design, ads, 1 / design.rate - 1) < design.power
    elif lift > 1e-6:
        assert power_at(design, ads, lift) == pytest.approx(design.power, abs=1e-6)
        assert power_at(design, ads, lift / 2) < design.power


def test_looking_whenever_one_likes_costs_ads_and_so_do_users_who_come_often() -> None:
    once = ads_needed(Design(0.1), 0.1)
    always = ads_needed(Design(0.1, expected=math.log(1.1)), 0.1)
    assert once < always < 4 * once
    assert ads_needed(Design(0.1, design_effect=2.5), 0.1) == pytest.approx(2.5 * once)


def test_a_promise_not_to_be_worse_is_planned_by_its_margin() -> None:
    assert math.isinf(ads_needed(Design(0.1), 0.0))
    small, large = (ads_needed(Design(0.1, margin=m), 0.0) for m in (0.05, 0.1))
    assert large < small < math.inf


def test_the_design_effect_is_what_copies_of_an_ad_cost() -> None:
    rng = np.random.default_rng(1)
    clicked, user = rng.random(4_000) < 0.1, np.arange(4_000)
    assert design_effect(clicked, user) == pytest.approx(1.0, abs=0.01)
    assert design_effect(np.repeat(clicked, 5), np.repeat(user, 5)) == pytest.approx(5, rel=0.01)
    assert design_effect(clicked, np.zeros(4_000, np.int64)) == 1.0
    assert design_effect(np.zeros(0, bool), np.zeros(0, np.int64)) == 1.0


def test_how_many_more_ads_follows_from_the_variance_so_far() -> None:
    assert more_ads(1_000, 0.2, 0.1) == 3_000
    assert more_ads(1_000, 0.1, 0.2) == 0
    assert more_ads(0, math.inf, 0.1) is None


@pytest.mark.parametrize("wrong", [{"rate": 0.0}, {"rate": 1.0}, {"rate": 0.1, "power": 0.3}])
def test_figures_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="is not"):
        Design(**wrong)
