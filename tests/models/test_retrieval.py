"""The items of a history that stand for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adloom.models.retrieval import (
    Vector,
    drawn_by_likeness,
    embed_texts,
    product_vectors,
    relevance,
    representatives,
    sampled,
)

TEXTS = {
    "sneaker": "running shoe, light, breathable",
    "boot": "hiking boot, sturdy, waterproof",
    "sandal": "summer sandal, airy, light",
    "lipstick": "red lipstick, long lasting",
    "mascara": "black mascara, volume",
    "guitar": "acoustic guitar, warm sound",
    "piano": "digital piano, weighted keys",
    "sofa": "corner sofa, soft, grey",
    "chair": "wooden chair, solid oak",
    "camera": "mirrorless camera, sharp",
}
NOW = datetime(2025, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def vectors() -> dict[str, Vector]:
    return dict(zip(TEXTS, embed_texts(list(TEXTS.values())), strict=True))


def of(vectors: dict[str, Vector], item_ids: list[str]) -> Vector:
    """Vectors of a history's clicks."""
    return np.array([vectors[i] for i in item_ids], dtype=np.float32).reshape(-1, 384)


def times(n: int, step: timedelta = timedelta(hours=1)) -> list[datetime]:
    return [NOW - step * (n - 1 - i) for i in range(n)]


def test_an_item_is_as_relevant_as_it_is_like_the_product(vectors: dict[str, Vector]) -> None:
    sneaker, boot, guitar = relevance(
        vectors["sneaker"], of(vectors, ["sneaker", "boot", "guitar"])
    )
    assert sneaker == pytest.approx(1, abs=1e-5)
    assert 1 >= boot > guitar
    assert relevance(vectors["sneaker"], of(vectors, [])).shape == (0,)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(list(TEXTS)), max_size=40), st.integers(0, 12))
def test_at_most_k_clicks_nearest_first(
    vectors: dict[str, Vector], item_ids: list[str], k: int
) -> None:
    clicked_at = [NOW] * len(item_ids)
    items = of(vectors, item_ids)
    chosen = representatives(vectors["sneaker"], items, clicked_at, k)
    assert len(chosen) == min(k, len(item_ids))
    assert len(set(chosen)) == len(chosen)
    scores = relevance(vectors["sneaker"], items)
    assert [scores[p] for p in chosen] == sorted((scores[p] for p in chosen), reverse=True)
    assert chosen == representatives(vectors["sneaker"], items, clicked_at, k)


def test_a_short_history_is_taken_whole(vectors: dict[str, Vector]) -> None:
    items = of(vectors, ["boot", "piano"])
    assert representatives(vectors["sofa"], items, times(2)) == [0, 1]


def test_every_corner_of_a_history_is_covered(vectors: dict[str, Vector]) -> None:
    item_ids = ["sneaker", "boot", "sandal"] * 8 + ["guitar", "lipstick"]
    chosen = representatives(vectors["boot"], of(vectors, item_ids), times(len(item_ids)), 6)
    taken = [item_ids[p] for p in chosen]
    assert "guitar" in taken
    assert "lipstick" in taken
    assert taken.count("boot") >= 1


def test_what_is_near_the_product_comes_first(vectors: dict[str, Vector]) -> None:
    item_ids = list(TEXTS) * 3
    clicked_at = [NOW] * len(item_ids)
    chosen = representatives(vectors["piano"], of(vectors, item_ids), clicked_at, 1)
    assert [item_ids[p] for p in chosen] == ["piano"]


def test_recent_clicks_weigh_more(vectors: dict[str, Vector]) -> None:
    clicked_at = times(6, timedelta(days=40))
    assert representatives(vectors["boot"], of(vectors, ["boot"] * 6), clicked_at, 2) == [5, 4]


def test_things_of_one_category_are_near_whatever_they_are_called() -> None:
    boot, insole, curtain = product_vectors(
        ["hiking boot, waterproof", "gel cushion", "white lace, with eyelets"],
        ["footwear", "footwear", "home"],
    )
    near, far = relevance(boot, np.stack([insole, curtain]))
    assert near > far + 0.2
    assert product_vectors([], []).shape[0] == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(list(TEXTS)), max_size=30), st.integers(0, 12))
def test_a_sample_holds_k_clicks_nearest_first(
    vectors: dict[str, Vector], item_ids: list[str], k: int
) -> None:
    items = of(vectors, item_ids)
    drawn = sampled(vectors["sneaker"], items, k, seed=3)
    scores = relevance(vectors["sneaker"], items)
    assert len(drawn) == min(k, int((scores > 0).sum()))
    assert len(set(drawn)) == len(drawn)
    assert [scores[p] for p in drawn] == sorted((scores[p] for p in drawn), reverse=True)
    assert drawn == sampled(vectors["sneaker"], items, k, seed=3)


def test_what_is_not_alike_is_never_drawn() -> None:
    for seed in range(50):
        drawn = drawn_by_likeness([0.2, 0.0, -0.4, 0.6], 4, np.random.default_rng(seed))
        assert drawn == [3, 0]
    assert drawn_by_likeness([-1.0, 0.0], 2, np.random.default_rng(0)) == []
    assert drawn_by_likeness([], 2, np.random.default_rng(0)) == []
    first = [drawn_by_likeness([0.2, 0.6], 1, np.random.default_rng(s))[0] for s in range(2_000)]
    assert np.mean(first) == pytest.approx(0.75, abs=0.03)


def test_likeness_makes_a_click_likelier_in_a_sample(vectors: dict[str, Vector]) -> None:
    item_ids = list(TEXTS)
    items = of(vectors, item_ids)
    drawn = [item_ids[sampled(vectors["boot"], items, 1, seed=s)[0]] for s in range(600)]
    weights = dict(zip(item_ids, relevance(vectors["boot"], items).clip(0), strict=True))
    for item_id in ("sneaker", "boot", "piano"):
        share = weights[item_id] / sum(weights.values())
        assert drawn.count(item_id) / 600 == pytest.approx(share, abs=0.06)
    assert drawn.count("boot") > drawn.count("piano")
