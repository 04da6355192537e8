"""Clicked ads in the order in which they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from adloom.loop.catalogue.histories.reading import AdOfHistory, HistoryReader, considered
from adloom.loop.catalogue.product import Product
from adloom.models.agreement import CONSIDERED
from adloom.models.looks import unit

CODES = unit(np.random.default_rng(0).standard_normal((9, 8)))
MUG = Product("mug", "Stoneware Mug", selling_points=("hand made",))
TARGET = unit(np.ones((1, 6)))[0]


def vector_of(text: str) -> np.ndarray:
    seed = sum(map(ord, text))
    return unit(np.random.default_rng(seed).standard_normal((1, 16)))[0]


class Embedder:
    """Texts that are alike to the letter are alike; counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += texts
        return np.stack([vector_of(text) for text in texts])


def clicked(style: int, title: str, product: Product | None = MUG) -> AdOfHistory:
    return AdOfHistory(TARGET, title, product, np.full(16, style, np.int16))


def test_what_a_history_agrees_on_is_read_first() -> None:
    reader = HistoryReader(CODES, Embedder())
    ads = [
        clicked(1, "Odd: Stoneware Mug"),
        clicked(2, "Cosy Stoneware Mug"),
        clicked(3, "Cosy hand made mug"),
        clicked(2, "Quick Stoneware Mug"),
    ]
    reading = reader.reading(TARGET, ads, 3)
    assert reading.pictures[:2] == (1, 3)
    assert reading.titles[:2] == (1, 2)
    assert reader.reading(TARGET, [], 3).pictures == ()


def test_pictures_of_products_come_last_and_say_nothing() -> None:
    reader = HistoryReader(CODES, Embedder())
    products = [replace(clicked(n, MUG.name), codes=None) for n in range(3)]
    alone = reader.reading(TARGET, products, 2)
    assert alone.pictures == alone.titles == (0, 1)
    mixed = reader.reading(TARGET, [*products, clicked(4, "Cosy Stoneware Mug")], 4)
    assert mixed.pictures == mixed.titles == (3, 0, 1, 2)


@pytest.mark.parametrize("title", ["", MUG.name, "Hand made Stoneware Mug"])
def test_titles_that_say_nothing_of_their_own_do_not_count(title: str) -> None:
    embedder = Embedder()
    reader = HistoryReader(CODES, embedder)
    ads = [clicked(1, title), clicked(2, title), clicked(2, title, None)]
    assert reader.reading(TARGET, ads, 3).pictures == (1, 2, 0)
    assert embedder.asked == []


def test_words_are_embedded_once() -> None:
    embedder = Embedder()
    reader = HistoryReader(CODES, embedder)
    ads = [clicked(1, "Cosy Stoneware Mug"), clicked(2, "Cosy mug"), clicked(3, "Quick mug")]
    first = reader.reading(TARGET, ads, 3)
    assert embedder.asked == ["cosy", "quick"]
    assert reader.reading(TARGET, ads, 3) == first
    assert embedder.asked == ["cosy", "quick"]


def test_more_clicks_are_looked_at_than_are_read() -> None:
    items = unit(np.random.default_rng(1).standard_normal((60, 6)))
    times = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(60)]
    assert len(considered(TARGET, items, times, 10)) == CONSIDERED
    assert len(considered(TARGET, items, times, 40)) == 40
    assert considered(TARGET, items, times, 0) == []
    # Of clicks that are alike the newer one is the first to be read.
    same = np.stack([TARGET, TARGET])
    assert considered(TARGET, same, times[:2], 2) == [1, 0]
    ads = [clicked(1, "Cosy mug"), clicked(1, "Cosy mug")]
    assert HistoryReader(CODES, Embedder()).reading(TARGET, ads, 2).pictures == (0, 1)
