"""Vectors of manners: made once, zeros of what says nothing, always of one width."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adloom.models.manners import Manners


class Embedder:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += texts
        return np.array([[len(text), 1, 2] for text in texts], dtype=np.float32)


def test_a_manner_is_embedded_once_and_silence_is_zeros() -> None:
    embedder = Embedder()
    manners = Manners(embedder)
    first = manners.vectors(["bold", "", "bold"])
    assert first.tolist() == [[4, 1, 2], [0, 0, 0], [4, 1, 2]]
    manners.vectors(["bold", "calm"])
    assert sorted(set(embedder.asked)) == sorted(embedder.asked)


def test_silent_titles_are_as_wide_as_others() -> None:
    manners = Manners(Embedder())
    assert manners.vectors(["", ""]).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert manners.vectors(["calm"]).shape == (1, 3)
