"""The items of a history that stand for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adloom.models.retrieval import ItemIndex

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
def index() -> ItemIndex:
    return ItemIndex(list(TEXTS), list(TEXTS.values()))


def times(n: int, step: timedelta = timedelta(hours=1)) -> list[datetime]:
    return [NOW - step * (n - 1 - i) for i in range(n)]


def test_only_the_shoppers_own_known_items_are_scored(index: ItemIndex) -> None:
    scores = index.relevance("sneaker", ["boot", "guitar", "gone", "boot"])
    assert set(scores) == {"boot", "guitar"}
    assert 1 >= scores["boot"] > scores["guitar"]
    assert index.relevance("sneaker", ["gone"]) == {}
    assert index.relevance("sneaker", ["sneaker"])["sneaker"] == pytest.approx(1, abs=1e-5)
    assert "boot" in index
    assert "gone" not in index


def test_an_unknown_product_is_an_error(index: ItemIndex) -> None:
    with pytest.raises(KeyError):
        index.relevance("gone", ["boot"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([*TEXTS, "gone", "lost"]), max_size=40), st.integers(0, 12))
def test_at_most_k_known_clicks_nearest_first(
    index: ItemIndex, item_ids: list[str], k: int
) -> None:
    clicked_at = [NOW] * len(item_ids)
    chosen = index.representatives("sneaker", item_ids, clicked_at, k)
    known = [p for p, item_id in enumerate(item_ids) if item_id in TEXTS]
    assert len(chosen) == min(k, len(known))
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= set(known)
    scores = index.relevance("sneaker", item_ids)
    assert [scores[item_ids[p]] for p in chosen] == sorted(
        (scores[item_ids[p]] for p in chosen), reverse=True
    )
    assert chosen == index.representatives("sneaker", item_ids, clicked_at, k)


def test_a_short_history_is_taken_whole(index: ItemIndex) -> None:
    assert index.representatives("sofa", ["boot", "gone", "piano"], times(3)) == [0, 2]


def test_every_corner_of_a_history_is_covered(index: ItemIndex) -> None:
    item_ids = ["sneaker", "boot", "sandal"] * 8 + ["guitar", "lipstick"]
    chosen = index.representatives("boot", item_ids, times(len(item_ids)), 6)
    taken = [item_ids[p] for p in chosen]
    assert "guitar" in taken
    assert "lipstick" in taken
    assert taken.count("boot") >= 1


def test_what_is_near_the_product_comes_first(index: ItemIndex) -> None:
    item_ids = list(TEXTS) * 3
    clicked_at = [NOW] * len(item_ids)
    taken = [item_ids[p] for p in index.representatives("piano", item_ids, clicked_at, 1)]
    assert taken == ["piano"]


def test_recent_clicks_weigh_more(index: ItemIndex) -> None:
    item_ids = ["boot"] * 6
    clicked_at = times(6, timedelta(days=40))
    assert index.representatives("boot", item_ids, clicked_at, 2) == [5, 4]


def test_things_of_one_category_are_near_whatever_they_are_called() -> None:
    index = ItemIndex(
        ["boot", "insole", "lace-curtain"],
        ["hiking boot, waterproof", "gel cushion", "white lace, with eyelets"],
        ["footwear", "footwear", "home"],
    )
    scores = index.relevance("boot", ["insole", "lace-curtain"])
    assert scores["insole"] > scores["lace-curtain"] + 0.2


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([*TEXTS, "gone"]), max_size=30), st.integers(0, 12))
def test_a_sample_holds_k_known_clicks_nearest_first(
    index: ItemIndex, item_ids: list[str], k: int
) -> None:
    drawn = index.sampled("sneaker", item_ids, k, seed=3)
    known = [p for p, item_id in enumerate(item_ids) if item_id in TEXTS]
    assert len(drawn) == min(k, len(known))
    assert len(set(drawn)) == len(drawn)
    scores = index.relevance("sneaker", item_ids)
    assert [scores[item_ids[p]] for p in drawn] == sorted(
        (scores[item_ids[p]] for p in drawn), reverse=True
    )
    assert set(drawn) <= set(known)
    assert drawn == index.sampled("sneaker", item_ids, k, seed=3)


def test_likeness_makes_a_click_likelier_in_a_sample(index: ItemIndex) -> None:
    item_ids = list(TEXTS)
    drawn = [item_ids[index.sampled("boot", item_ids, 1, seed=s)[0]] for s in range(600)]
    scores = index.relevance("boot", item_ids)
    weights = {item_id: 1 + score for item_id, score in scores.items()}
    for item_id in ("sneaker", "boot", "piano"):
        share = weights[item_id] / sum(weights.values())
        assert drawn.count(item_id) / 600 == pytest.approx(share, abs=0.06)
    assert drawn.count("boot") > drawn.count("piano")
