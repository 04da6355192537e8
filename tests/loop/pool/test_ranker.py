"""Finished ads are ranked by likeness and clicks, and each has its chance, which is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import ndtr

from adloom.loop.pool.looks import Look, LookArrays
from adloom.loop.pool.members import Member, Members
from adloom.loop.pool.own_clicks import PRIOR_SHOWINGS, Counted, own_clicks
from adloom.loop.pool.ranker import Choice, Ranker, Weights, chance, fit_of
from adloom.loop.pool.taste import NOTHING_KNOWN, Taste, of_looks

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SCORES = st.lists(st.floats(-3, 3), min_size=1, max_size=6)


def look(picture: int, title: int) -> Look:
    return Look(np.eye(8, dtype=np.float32)[picture], np.eye(8, dtype=np.float32)[title])


def member(name: str, seen: Look | None, *, days: float = 0) -> Member:
    return Member(name, seen, NOW - timedelta(days=days))


def alike(taste: Taste, *looks: Look) -> NDArray[np.float32]:
    return taste.likeness(LookArrays.of(looks))


@given(SCORES, st.data())
def test_chances_of_all_candidates_add_up_to_one(scores: list[float], data: st.DataObject) -> None:
    spread = data.draw(
        st.lists(st.floats(0.001, 2), min_size=len(scores), max_size=len(scores)), label="spread"
    )
    each = [chance(np.array(scores), np.array(spread), n) for n in range(len(scores))]
    assert sum(each) == pytest.approx(1, abs=0.01)


def test_a_new_ad_beside_one_that_millions_saw_has_its_exact_chance() -> None:
    scores, spread = np.array([0.3, 0.0]), np.array([0.001, 1.0])
    assert chance(scores, spread, 0) == pytest.approx(ndtr(0.3), abs=1e-3)
    assert chance(scores, spread, 1) == pytest.approx(ndtr(-0.3), abs=1e-3)


def test_the_chance_that_is_told_is_how_often_one_is_chosen() -> None:
    ranker = Ranker(Weights(), explore=1.0)
    clicks = own_clicks([Counted(100, 9), Counted(100, 14), Counted(0, 0)])
    rng = np.random.default_rng(1)
    members = Members([member(str(n), None) for n in range(3)])
    features = ranker.features(members, NOTHING_KNOWN, clicks, NOW)
    chosen = [ranker.choose(features, clicks, rng) for _ in range(4000)]
    for number in range(3):
        told = {one.propensity for one in chosen if one.number == number}
        often = np.mean([one.number == number for one in chosen])
        assert len(told) == 1
        assert often == pytest.approx(told.pop(), abs=0.03)


def test_what_is_like_the_clicked_is_preferred_and_without_exploring_always() -> None:
    taste = of_looks([look(0, 1), look(0, 2), look(0, 1)])
    members = Members([member("far", look(5, 6)), member("near", look(0, 1))])
    ranker, clicks = Ranker(Weights(), explore=0), members.own_clicks({})
    features = ranker.features(members, taste, clicks, NOW)
    choice = ranker.choose(features, clicks, np.random.default_rng(0))
    assert (choice.number, choice.propensity) == (1, 1.0)
    assert features[1, :2] == pytest.approx([0, 0], abs=0.05)  # two of three agree, and are it
    assert (features[0, :2] < -4).all()


def test_newer_clicks_count_more() -> None:
    mixed = of_looks([look(0, 0)] * 30 + [look(1, 1)] * 30)
    [older, newer] = alike(mixed, look(0, 0), look(1, 1))[:, 0]
    assert newer > older


def test_what_was_drawn_for_a_shopper_parts_clicks_that_do_not_agree() -> None:
    clicked = [look(0, 1), look(5, 6)]
    drawn = look(0, 1)
    [like, odd] = alike(of_looks(clicked, [(drawn, 0)]), look(0, 1), look(5, 6))
    assert (like > odd + 1).all()
    [later, _] = alike(of_looks(clicked, [(drawn, 64)]), look(0, 1), look(5, 6))
    assert (later < like).all()  # so much was clicked since


def test_what_was_drawn_for_who_clicked_nothing_is_no_taste() -> None:
    assert len(of_looks([], [(look(0, 1), 0)])) == 0


def test_own_clicks_are_smoothed_and_those_beyond_the_showings_do_not_count() -> None:
    few, many, storm = own_clicks([Counted(1, 1), Counted(200, 120), Counted(10, 10_000)]).odds
    assert 0 < few < many  # one click on one showing says little
    assert storm == own_clicks([Counted(1, 1), Counted(200, 120), Counted(10, 10)]).odds[2]
    assert np.isfinite(storm)


@given(st.integers(0, 10_000))
def test_what_is_not_known_of_an_ad_shrinks_with_its_showings(shown: int) -> None:
    known, new = own_clicks([Counted(shown + 1, 0), Counted(0, 0)]).spreads
    assert known < new
    assert new / known == pytest.approx(((shown + 1 + PRIOR_SHOWINGS) / PRIOR_SHOWINGS) ** 0.5)


def test_an_ad_whose_look_nobody_knows_can_be_chosen_by_its_clicks() -> None:
    taste = of_looks([look(0, 1)])
    members = Members([member("known", look(5, 6)), member("unknown", None)])
    ranker = Ranker(Weights(), explore=0)
    clicks = members.own_clicks({"unknown": Counted(500, 200), "known": Counted(500, 1)})
    features = ranker.features(members, taste, clicks, NOW)
    assert ranker.choose(features, clicks, np.random.default_rng(0)).number == 1


def test_newer_counts_are_seen_at_once() -> None:
    members = Members([member("one", None), member("other", None)])
    nobody = members.own_clicks({})
    assert members.own_clicks({"one": Counted(50, 9)}).odds[0] > nobody.odds[0]
    first, second = members.own_clicks({"other": Counted(50, 9)}).odds
    assert second > first == nobody.odds[0]


def test_of_some_ads_those_are_left_that_are_young_and_are_as_they_were() -> None:
    old, new = member("old", look(5, 6), days=9), member("new", look(0, 1))
    both = Members([old, new])
    assert both.since(NOW - timedelta(days=9)) is both
    young = both.since(NOW - timedelta(days=8))
    assert both.since(NOW - timedelta(days=7)) is young  # with its arrays
    assert list(both.since(NOW + timedelta(days=1))) == []
    assert list(young) == list(both.without(0)) == [new]
    taste = of_looks([look(0, 1)])
    np.testing.assert_array_equal(young.likeness(taste), both.likeness(taste)[1:])


def test_an_ad_fits_that_suits_better_than_most_that_were_drawn_anew() -> None:
    ranker, taste = Ranker(Weights(), explore=0), of_looks([look(0, 1)])
    drawn = [np.array([-n, -n], np.float32) for n in (1, 2, 4, 8)]
    nobodys = np.zeros(2, np.float32)

    def fit(likeness: float, drawn: list[NDArray[np.float32]], taste: Taste) -> float | None:
        features = np.array([likeness, likeness, 0, 0])
        members = Members([replace(member("one", None), likeness=one) for one in drawn])
        choice = Choice(0, 1.0, features)
        return fit_of(ranker, members.drawn_likeness, taste, choice)

    assert fit(-3, [*drawn, nobodys], taste) == pytest.approx(2 / 5)
    assert fit(-0.5, drawn, taste) == pytest.approx(4 / 5)
    assert fit(-0.5, drawn[:1], taste) == 0.5  # of one alone little is known
    assert fit(-3, [nobodys], taste) is None
    assert fit(-3, drawn, NOTHING_KNOWN) is None


def test_a_click_that_others_agree_with_says_more_than_an_odd_one() -> None:
    agreed = of_looks([look(0, 1), look(5, 6), look(0, 1)])
    [like, odd] = alike(agreed, look(0, 1), look(5, 6))
    assert (like > odd + 2).all()
    [one, other] = alike(of_looks([look(0, 1), look(5, 6)]), look(0, 1), look(5, 6))
    np.testing.assert_allclose(one, other, atol=0.1)  # of two, neither


@given(st.lists(st.integers(0, 7), min_size=1, max_size=12), st.integers(0, 7))
def test_likeness_is_finite_and_at_most_that_to_the_same_ad(clicked: list[int], seen: int) -> None:
    found = alike(of_looks([look(one, one) for one in clicked]), look(seen, seen))
    assert np.isfinite(found).all()
    assert (found <= 1e-3).all()


def test_freshness_fades() -> None:
    ranker = Ranker(Weights(), explore=0)
    ages = Members([member("new", None), member("old", None, days=30)])
    new, old = ranker.features(ages, NOTHING_KNOWN, ages.own_clicks({}), NOW)[:, -1]
    assert new == pytest.approx(1)
    assert old < 0.02
