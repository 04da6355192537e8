"""The order of a history by how far it agrees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from adloom.models.agreement import (
    agreement,
    by_agreement,
    evidence_of_nearness,
    support,
)
from adloom.models.looks import unit

Numbers = np.ndarray
SIX = st.integers(0, 5)
"""A few styles and kinds of product, so that some are the same."""


def rows(numbers: list[int]) -> Numbers:
    """Vectors of styles: the same number is the same, others have little in common."""
    return unit(np.random.default_rng(9).standard_normal((6, 12)))[numbers]


def alone(n: int) -> Numbers:
    """Ads that have been seen once each: next to nothing tells them apart."""
    return 1e-2 * np.random.default_rng(2).standard_normal((n, 12))


@st.composite
def histories(draw: st.DrawFn) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Product, items, looks and manners; some of the last two tell nothing."""
    n = draw(st.integers(1, 24))
    some = st.lists(SIX, min_size=n, max_size=n)
    told = st.lists(st.booleans(), min_size=n, max_size=n)
    items, looks, manners = (rows(draw(some)) for _ in range(3))
    noise = draw(arrays(np.float64, (n, 12), elements=st.floats(-0.3, 0.3)))
    looks = (looks + noise) * np.array(draw(told))[:, None]
    manners = manners * np.array(draw(told))[:, None]
    return rows([draw(SIX)])[0], items, looks, manners


@given(histories(), st.integers(0, 30))
def test_every_history_has_a_reading(told: tuple[Numbers, ...], k: int) -> None:
    product, items, looks, manners = told
    reading = by_agreement(product, items, looks, manners, k)
    assert len(set(reading.pictures)) == len(reading.pictures) == min(k, len(items))
    assert sorted(reading.titles) == sorted(reading.pictures)
    assert set(reading.pictures) <= set(range(len(items)))
    ranks = reading.title_ranks
    assert [reading.titles[rank] for rank in ranks] == list(reading.pictures)
    unknown = [not looks[n].any() for n in reading.pictures]
    assert unknown == sorted(unknown)


@given(st.integers(3, 9), st.integers(0, 19), st.permutations(range(9)), st.floats(1e-3, 1e3))
def test_neither_the_order_it_comes_in_nor_a_scale_counts(
    n: int, seed: int, shuffled: list[int], scale: float
) -> None:
    rng = np.random.default_rng(seed)
    # No two alike, and no two alone, so that nothing is left to what comes first.
    product, items, looks, manners = (np.abs(rng.standard_normal((m, 12))) for m in (1, n, n, n))
    product, items = unit(product), unit(items)
    order = [position for position in shuffled if position < n]
    there = by_agreement(product[0], items, looks, manners, n)
    here = by_agreement(product[0], items[order], scale * looks[order], scale * manners[order], n)
    assert there.pictures == tuple(order[position] for position in here.pictures)
    assert there.titles == tuple(order[position] for position in here.titles)


@given(SIX, SIX, st.integers(3, 12), st.integers(0, 12))
def test_an_odd_one_among_agreeing_ones_comes_last(
    style: int, other: int, n: int, place: int
) -> None:
    place %= n
    looks = rows([style] * n) + alone(n)
    manners = rows([style] * n)
    items = rows([0] * n)  # all of one kind: nothing hangs on what is sold
    if other == style:
        return
    looks[place], manners[place] = rows([other])[0], rows([other])[0]
    reading = by_agreement(items[0], items, looks, manners, n)
    assert (reading.pictures[-1], reading.titles[-1]) == (place, place)
    few = by_agreement(items[0], items, looks, manners, n - 1)
    assert place not in few.pictures


def test_pictures_and_titles_are_ordered_each_by_themselves() -> None:
    looks = rows([1, 1, 1, 2]) + alone(4)
    manners = rows([4, 3, 4, 4])
    reading = by_agreement(rows([0])[0], rows([0] * 4), looks, manners, 4)
    assert reading.pictures[-1] == 3
    assert reading.titles[-1] == 1
    assert reading.title_ranks[reading.pictures.index(1)] == 3


def test_who_agrees_with_nobody_is_read_as_it_comes() -> None:
    looks, manners = rows([0, 1, 2]), np.zeros((3, 1))
    reading = by_agreement(rows([0])[0], rows([0, 0, 0]), np.eye(3), manners, 3)
    assert reading.pictures == reading.titles == (0, 1, 2)
    nothing = by_agreement(rows([0])[0], rows([1, 2, 3]), np.zeros((3, 1)), manners, 2)
    assert nothing.pictures == nothing.titles == (0, 1)
    assert by_agreement(rows([0])[0], rows([]), looks[:0], manners[:0], 3).pictures == ()


def of_two_tastes(shelves: list[int], styles: list[int]) -> tuple[int, ...]:
    """Pictures of a history for a product of shelf 0."""
    n = len(shelves)
    looks = rows(styles) + alone(n)
    return by_agreement(rows([0])[0], rows(shelves), looks, rows(styles), n).pictures


def test_nearness_counts_where_the_history_says_so_and_nowhere_else() -> None:
    # Each shelf in its style: what is near the product foretells, though there is less of it.
    by_shelf = of_two_tastes([0] * 4 + [1] * 8, [2] * 4 + [3] * 8)
    assert set(by_shelf[:4]) == {0, 1, 2, 3}
    # Two styles on both shelves: the commoner one is liked, wherever it was clicked.
    mixed = of_two_tastes([0] * 4 + [1] * 8, [2, 3, 3, 2, 3, 3, 2, 3, 3, 2, 3, 3])
    assert all(n in (1, 2, 4, 5, 7, 8, 10, 11) for n in mixed[:8])


def test_an_ad_that_was_clicked_again_and_again_is_no_evidence_of_nearness() -> None:
    likeness = np.full((4, 4), 0.1)
    likeness[:2, :2] = 1.0
    np.fill_diagonal(likeness, 1.0)
    kernel = agreement(rows([1, 1, 2, 3]), 20.0)
    others = np.eye(4)
    assert evidence_of_nearness(kernel, likeness, others) > 0.5
    others[:2, :2] = 1.0
    assert evidence_of_nearness(kernel, likeness, others) < 0.5


def test_support_is_the_share_that_agrees() -> None:
    kernel = agreement(np.array([[2.0, 0], [5, 0], [0, 1], [0, 0]]), 50.0)
    found = support(kernel, np.array([1.0, 1, 2, 9]))
    assert found == pytest.approx([0.5, 0.5, 0.5, 0.5])
    found = support(kernel, np.ones(4))
    assert found == pytest.approx([2 / 3, 2 / 3, 1 / 3, 5 / 9])
    assert support(np.zeros((2, 2)), np.ones(2)).tolist() == [1, 1]


@given(histories(), st.integers(1, 24), st.floats(0, 1))
def test_what_was_looked_at_is_not_read(told: tuple[Numbers, ...], k: int, weight: float) -> None:
    product, items, looks, manners = told
    seen = len(items) // 2
    reading = by_agreement(product, items, looks, manners, k, seen=seen, seen_weight=weight)
    assert len(reading.pictures) == min(k, len(items) - seen)
    assert sorted(reading.titles) == sorted(reading.pictures)
    assert max(reading.pictures, default=-1) < len(items) - seen
    if weight == 0:
        items, looks, manners = (part[: len(items) - seen] for part in (items, looks, manners))
        assert reading == by_agreement(product, items, looks, manners, k)


def read_first(looks: Numbers, seen: int, weight: float) -> tuple[int, ...]:
    """Of ads for one product whose titles say the same, by their pictures."""
    items, manners = rows([5] * len(looks)), rows([0] * len(looks))
    return by_agreement(rows([5])[0], items, looks, manners, seen=seen, seen_weight=weight).pictures


@pytest.mark.parametrize("times", [2, 3, 4])
def test_of_two_looks_clicked_once_that_one_comes_first_which_catches_the_eye(times: int) -> None:
    looks = rows([0, 1, *[1] * times, 2, 3])
    assert read_first(looks, times + 2, 0.0) == (0, 1)
    assert read_first(looks, times + 2, 0.3) == (1, 0)


def test_a_few_looks_do_not_outweigh_clicks_that_agree() -> None:
    assert read_first(rows([0, 0, 0, 1, *[1] * 4]), 4, 0.3)[-1] == 3
