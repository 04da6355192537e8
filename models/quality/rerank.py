"""The best of several ads for one shopper: the one most like what they clicked, by PBS."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adloom.models.brief import Codes, HistoryAd
from adloom.models.generates import Generates
from adloom.models.quality.background import BackgroundEncoder

_KNOWN_ADS = 20_000
"""Embeddings that are kept: 5 MB."""


class Reranker:
    """Chooses among finished ads by their mean PBS (Uni-AdGen, section 4.1) to clicked ones."""

    def __init__(self, generator: Generates) -> None:
        self._picture_of = generator.picture_of
        self._embedding = lru_cache(_KNOWN_ADS)(self._embed)

    @cached_property
    def _encoder(self) -> BackgroundEncoder:
        """Loaded by the first choice: most servers draw one ad a request and need none."""
        return BackgroundEncoder.from_pretrained()

    def best(self, pictures: Sequence[Image.Image], clicked: Sequence[HistoryAd]) -> int:
        """Which of ``pictures`` is the best; the first where nothing was clicked.

        The clicked ad that says most comes first and counts most: the n-th weighs 1/n.
        """
        if len(pictures) == 1 or not clicked:
            return 0
        weights = 1 / np.arange(1, len(clicked) + 1, dtype=np.float32)
        liked = weights @ np.stack([self._embedding(_bytes(ad.codes)) for ad in clicked])
        return int(np.argmax(self._encoder.embed(pictures) @ liked))

    def _embed(self, codes: bytes) -> NDArray[np.float32]:
        picture = self._picture_of(np.frombuffer(codes, np.int16))
        embedded: NDArray[np.float32] = self._encoder.embed([picture])[0]
        return embedded


def _bytes(codes: Codes) -> bytes:
    return codes.astype(np.int16).tobytes()
