"""Which clicked ads are read for a product, and in what order: those that agree come first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from adloom.loop.catalogue.product import Product
from adloom.models.agreement import CONSIDERED, Reading, by_agreement
from adloom.models.brief import Codes
from adloom.models.looks import look_vectors, manner
from adloom.models.retrieval import Embed, Vector, Vectors, embed_texts, representatives

_KNOWN_MANNERS = 20_000
"""Vectors of words that are kept: 30 MB of MiniLM's."""


@dataclass(frozen=True)
class AdOfHistory:
    """A clicked ad.

    Attributes:
        vector: of its product (:func:`adloom.models.retrieval.product_vectors`).
        title: what it says.
        product: what it sells; None where nobody knows it any more.
        codes: VQ codes of its picture; None where the picture is none of an ad, and so no style.
    """

    vector: Vector
    title: str
    product: Product | None
    codes: Codes | None


class HistoryReader:
    """Orders clicked ads by how far they agree (:mod:`adloom.models.agreement`).

    For several threads at once.
    """

    def __init__(self, code_vectors: NDArray[np.float32], embed: Embed = embed_texts) -> None:
        """``code_vectors`` are the codebook's that the ads' codes are of, unit length,
        ``(codes, d)``; ``embed`` makes vectors of titles."""
        self._code_vectors = code_vectors
        self._embed = embed
        self._manners: OrderedDict[str, Vector] = OrderedDict()
        self._lock = threading.Lock()

    def reading(self, target: Vector, ads: Sequence[AdOfHistory], k: int) -> Reading:
        """The ads that are read for a product, at most ``k``.

        Args:
            target: vector of the product.
            ads: the clicked ads, the one that says most first.
            k: how many at most.
        """
        if not ads:
            return Reading((), ())
        items = np.stack([ad.vector for ad in ads])
        return by_agreement(target, items, self._looks(ads), self._told(ads), k)

    def _looks(self, ads: Sequence[AdOfHistory]) -> Vectors:
        known = [n for n, ad in enumerate(ads) if ad.codes is not None]
        if not known:
            return np.zeros((len(ads), 1), dtype=np.float32)
        codes = np.stack([codes for ad in ads if (codes := ad.codes) is not None])
        made = look_vectors(self._code_vectors, codes)
        found = np.zeros((len(ads), made.shape[1]), dtype=np.float32)
        found[known] = made
        return found

    def _told(self, ads: Sequence[AdOfHistory]) -> Vectors:
        """Vectors of manners; zeros of a title that says nothing beside its product."""
        said = [
            manner(ad.title, ad.product.name, ad.product.selling_points)
            if ad.product is not None and ad.codes is not None
            else ""
            for ad in ads
        ]
        vectors = self._vectors([text for text in dict.fromkeys(said) if text])
        if not vectors:
            return np.zeros((len(ads), 1), dtype=np.float32)
        nothing = np.zeros_like(next(iter(vectors.values())))
        return np.stack([vectors.get(text, nothing) for text in said])

    def _vectors(self, texts: Sequence[str]) -> dict[str, Vector]:
        with self._lock:
            found = {text: self._manners[text] for text in texts if text in self._manners}
            for text in found:
                self._manners.move_to_end(text)
        new = [text for text in texts if text not in found]
        if new:
            made = dict(zip(new, self._embed(new), strict=True))
            found |= made
            with self._lock:
                self._manners.update(made)
                while len(self._manners) > _KNOWN_MANNERS:
                    self._manners.popitem(last=False)
        return found


def considered(target: Vector, items: Vectors, clicked_at: Sequence[datetime], k: int) -> list[int]:
    """Positions of the clicks of which at most ``k`` are read, the one that says most first.

    As :func:`adloom.models.retrieval.representatives`, of which there may be more than are read.
    """
    return representatives(target, items, clicked_at, max(k, CONSIDERED) if k else 0)
