"""Products like a text or like another product, out of all there are.

A FAISS index over the vectors of the whole catalogue lies on disk and is mapped into memory, so a
server opens it at once however large it is. What came in since it was made is searched beside it;
when that is a tenth of it, it is made anew: a product is indexed a few times in all, whatever the
number of imports.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from adloom.loop.catalogue.product import Product
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.database.claims import claimed
from adloom.models.retrieval import Vector

_EXHAUSTIVE = 20_000
"""Products that are searched one by one; more of them lie in cells."""
_PROBED = 32
_TRAINED_ON = 100_000
_SHARE_BESIDE = 0.1
_LEAST_BESIDE = 1_000
_AT_ONCE = 20_000
_CLAIM = "neighbours"
_CLAIM_SECONDS = 1_800.0


@dataclass(frozen=True)
class _Beside:
    """Vectors that the index on disk does not have, as of a revision of the catalogue."""

    revision: int
    places: NDArray[np.int64]
    vectors: NDArray[np.float32]


class Neighbours:
    """Search over all products that are sold. For several threads and processes at once."""

    def __init__(self, catalogue: Catalogue, folder: Path) -> None:
        """Map the index in ``folder``, if one was made."""
        self._catalogue = catalogue
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        self._made_at = -1
        self._index: faiss.Index | None = None
        self._beside: _Beside | None = None

    def like(self, text: str, k: int = 20) -> list[Product]:
        """The products sold whose names, points and shelf are likest to a text, likest first."""
        [half] = self._catalogue.vectors.encoder.embed([text])
        return self._nearest(np.float32(0.5**0.5) * np.concatenate([half, half]), k, "")

    def near(self, product_id: str, k: int = 20) -> list[Product]:
        """The products sold that are likest to a product, which is not among them."""
        placed = self._catalogue.vectors.placed([product_id]).get(product_id)
        return [] if placed is None else self._nearest(placed.vector, k, product_id)

    def build(self) -> bool:
        """Make the index anew where too much lies beside it. True when that was done."""
        with self._lock:
            self._look()
            made = 0 if self._index is None else self._index.ntotal
            assert self._beside is not None
            if len(self._beside.places) <= max(_LEAST_BESIDE, _SHARE_BESIDE * made):
                return False
        with claimed(self._catalogue.engine, _CLAIM, _CLAIM_SECONDS) as claim:
            if claim:
                self._write()
            return bool(claim)

    def _nearest(self, vector: Vector, k: int, besides: str) -> list[Product]:
        with self._lock:
            self._look()
            index, beside = self._index, self._beside
        assert beside is not None
        scores = dict(zip(beside.places.tolist(), (beside.vectors @ vector).tolist(), strict=True))
        if index is not None:
            # Some of what is found may be retired, or lies beside as it is now.
            found, places = index.search(vector[None], 2 * k + 8)
            for score, place in zip(found[0].tolist(), places[0].tolist(), strict=True):
                if place >= 0:
                    scores.setdefault(place, score)
        ranked = sorted(scores, key=lambda place: -scores[place])[: 2 * k + 8]
        names = self._catalogue.vectors.at(ranked)
        known = self._catalogue.find(names[place] for place in ranked if place in names)
        sold = [p for p in known.values() if not p.retired and p.product_id != besides]
        return sold[:k]

    def _look(self) -> None:
        """Take over an index that another process made, and what came in since."""
        newest = max((int(file.stem) for file in self._folder.glob("*.faiss")), default=-1)
        if newest != self._made_at:
            file = self._folder / f"{newest}.faiss"
            self._index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP)
            self._made_at, self._beside = newest, None
        revision = self._catalogue.revision()
        if self._beside is None or self._beside.revision != revision:
            parts = list(self._catalogue.vectors.since(self._made_at, _AT_ONCE))
            places = np.concatenate([place for place, _ in parts] or [np.zeros(0, np.int64)])
            size = self._catalogue.vectors.size()
            if self._index is not None and self._index.d != size:
                self._index = None  # of another text encoder: all there are came in since
            empty = np.zeros((0, size), np.float32)
            self._beside = _Beside(
                revision, places, np.concatenate([found for _, found in parts] or [empty])
            )

    def _write(self) -> None:
        revision, total = self._catalogue.revision(), len(self._catalogue.vectors)
        index = self._trained(total)
        for places, found in self._catalogue.vectors.since(-1, _AT_ONCE):
            index.add_with_ids(found, places)
        partial = self._folder / f"{revision}.partial"
        faiss.write_index(index, str(partial))
        partial.chmod(0o600)
        partial.replace(self._folder / f"{revision}.faiss")
        for file in self._folder.glob("*.faiss"):
            if int(file.stem) < revision:  # who has it mapped goes on reading it
                file.unlink(missing_ok=True)

    def _trained(self, total: int) -> faiss.Index:
        size = self._catalogue.vectors.size()
        if total <= _EXHAUSTIVE:
            return faiss.IndexIDMap2(faiss.IndexFlatIP(size))
        cells = round(4 * total**0.5)
        index = faiss.index_factory(size, f"IVF{cells},SQ8", faiss.METRIC_INNER_PRODUCT)
        faiss.ParameterSpace().set_index_parameter(index, "nprobe", min(cells, _PROBED))
        sample: list[NDArray[np.float32]] = []
        every = max(1, total // _TRAINED_ON)
        for _, found in self._catalogue.vectors.since(-1, _AT_ONCE):
            sample.append(found[::every])
        index.train(np.concatenate(sample))
        return index
