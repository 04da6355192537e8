"""Which clicked ads are read for a product, and in what order: those that agree come first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from adloom.loop.catalogue.product import Product
from adloom.models.agreement import CONSIDERED, Reading, by_agreement
from adloom.models.brief import Codes
from adloom.models.looks import distinct_looks, manner
from adloom.models.manners import Manners
from adloom.models.retrieval import Embed, Vector, Vectors, embed_texts, representatives


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
        self._manners = Manners(embed)

    def reading(
        self,
        target: Vector,
        ads: Sequence[AdOfHistory],
        k: int,
        seen: Sequence[AdOfHistory] = (),
        seen_weight: float = 0.0,
    ) -> Reading:
        """The ads that are read for a product, at most ``k``.

        Args:
            target: vector of the product.
            ads: the clicked ads, the one that says most first.
            k: how many at most.
            seen: ads that were looked at, which are not read.
            seen_weight: what each of them counts beside one that was clicked.
        """
        if not ads:
            return Reading((), ())
        told = [*ads, *(seen if seen_weight > 0 else ())]
        items = np.stack([ad.vector for ad in told])
        looks, manners = self._looks(told), self._told(told)
        return by_agreement(
            target, items, looks, manners, k, seen=len(told) - len(ads), seen_weight=seen_weight
        )

    def _looks(self, ads: Sequence[AdOfHistory]) -> Vectors:
        known = [n for n, ad in enumerate(ads) if ad.codes is not None]
        if not known:
            return np.zeros((len(ads), 1), dtype=np.float32)
        codes = np.stack([codes for ad in ads if (codes := ad.codes) is not None])
        made = distinct_looks(self._code_vectors, codes)
        found = np.zeros((len(ads), made.shape[1]), dtype=np.float32)
        found[known] = made
        return found

    def _told(self, ads: Sequence[AdOfHistory]) -> Vectors:
        """Vectors of manners; a picture that is none of an ad has no title of one."""
        said = [manner_of(ad.title, ad.product) if ad.codes is not None else "" for ad in ads]
        return self._manners.vectors(said) if any(said) else np.zeros((len(ads), 1), np.float32)


def manner_of(title: str, product: Product | None) -> str:
    """What a title says beside its product; of one that nobody knows any more: nothing."""
    return "" if product is None else manner(title, product.name, product.selling_points)


def considered(target: Vector, items: Vectors, clicked_at: Sequence[datetime], k: int) -> list[int]:
    """Positions of the clicks of which at most ``k`` are read, the one that says most first.

    As :func:`adloom.models.retrieval.representatives`, of which there may be more than are read.
    """
    return representatives(target, items, clicked_at, max(k, CONSIDERED) if k else 0)
