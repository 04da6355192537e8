"""The position-based model finds how likely each position is looked at."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adloom.loop.statistics.position_based import fitted_positions


def shown(
    n: int, examination: list[float], attracts: list[float], seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ads at random positions, clicked as the model says."""
    rng = np.random.default_rng(seed)
    position = rng.integers(0, len(examination), n)
    ad = rng.integers(0, len(attracts), n)
    clicked = rng.random(n) < np.array(examination)[position] * np.array(attracts)[ad]
    return position, ad, clicked


@pytest.mark.parametrize("truth", [[1.0, 0.4, 0.16, 0.064], [0.7, 1.0, 0.7], [1.0, 0.95, 0.9]])
def test_what_is_known_of_the_crowd_is_found(truth: list[float]) -> None:
    attracts = np.random.default_rng(1).beta(1, 6, 100).tolist()
    found = fitted_positions(*shown(60_000, truth, attracts))
    assert found.positions.tolist() == list(range(len(truth)))
    assert found.examination == pytest.approx(truth, abs=0.05)
    assert np.abs(found.attractiveness - attracts).mean() < 0.03


def test_an_ad_that_is_always_on_top_is_not_taken_for_a_better_one() -> None:
    """It is liked half as much, and clicked more than twice as often."""
    position, ad, clicked = shown(40_000, [1.0, 0.2], [0.1] * 20)
    rng = np.random.default_rng(2)
    place = np.repeat([0, 1], 5_000)
    seen = rng.random(10_000) < np.array([0.1, 0.2])[place] * np.array([1.0, 0.2])[place]
    model = fitted_positions(
        np.append(position, place), np.append(ad, 20 + place), np.append(clicked, seen)
    )
    on_top, below = model.attractiveness[20:]
    assert on_top == pytest.approx(0.1, abs=0.02)
    assert below == pytest.approx(0.2, abs=0.05)


def test_where_nothing_can_be_told_all_count_as_looked_at() -> None:
    """Each ad has stood at a position of its own: better ads and better positions look the same."""
    rng = np.random.default_rng(0)
    place = rng.integers(0, 3, 3_000)
    clicked = rng.random(3_000) < np.array([0.5, 0.2, 0.1])[place]
    found = fitted_positions(place, place, clicked)
    assert found.examination == pytest.approx([1, 1, 1], abs=0.02)


def test_a_position_that_was_hardly_shown_counts_as_looked_at() -> None:
    position, ad, clicked = shown(20_000, [1.0, 0.4], [0.1] * 10)
    rare = fitted_positions(
        np.append(position, [7, 7]), np.append(ad, [0, 1]), np.append(clicked, [False, False])
    )
    assert rare.examination == pytest.approx([1.0, 0.4, 1.0], abs=0.05)


def test_a_position_without_clicks_is_small_only_once_clicks_were_to_be_expected() -> None:
    position, ad, clicked = shown(20_000, [1.0, 0.0], [0.1] * 10)
    assert fitted_positions(position, ad, clicked).examination[1] < 0.01
    few = fitted_positions(position[:60], ad[:60], clicked[:60])
    assert few.examination[1] > 0.1


def test_a_single_position_or_no_click_tells_nothing() -> None:
    ads, clicked = np.array([0, 0, 1]), np.array([True, False, False])
    one = fitted_positions(np.array([3, 3, 3]), ads, clicked)
    assert (one.positions.tolist(), one.examination.tolist()) == ([3], [1.0])
    assert one.attractiveness.tolist() == [0.5, 0.0]
    none = fitted_positions(np.array([0, 1, 2]), ads, np.zeros(3, bool))
    assert none.examination.tolist() == [1.0] * 3
    nothing = fitted_positions(np.zeros(0, int), np.zeros(0, int), np.zeros(0, bool))
    assert len(nothing.positions) == len(nothing.examination) == len(nothing.attractiveness) == 0


def test_huge_positions_take_no_more_memory_than_small_ones() -> None:
    position, ad, clicked = shown(2_000, [1.0, 0.4, 0.2], [0.2] * 10)
    tracemalloc.start()
    far = fitted_positions(position * (2**30 - 1), ad, clicked)
    assert tracemalloc.get_traced_memory()[1] < 2**21
    tracemalloc.stop()
    assert far.positions.tolist() == [0, 2**30 - 1, 2**31 - 2]
    assert far.examination.tolist() == fitted_positions(position, ad, clicked).examination.tolist()


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        fitted_positions(np.zeros(2, int), np.zeros(3, int), np.zeros(3, bool))


@given(st.lists(st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 5), st.booleans()), min_size=1))
def test_whatever_was_logged_gives_chances(rows: list[tuple[int, int, bool]]) -> None:
    position, ad, clicked = (np.array(column) for column in zip(*rows, strict=True))
    found = fitted_positions(position, ad, clicked)
    assert found.positions.tolist() == sorted(set(position.tolist()))
    assert ((found.examination > 0) & (found.examination <= 1)).all()
    assert found.examination.max() == 1
    assert ((found.attractiveness >= 0) & (found.attractiveness <= 1)).all()
