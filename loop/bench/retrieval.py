"""What the size of the catalogue costs a request and a start.

A request chooses the representatives of a shopper's 256 clicks for a product. The baseline is one
flat index over the whole catalogue, in memory, searched among the shopper's items alone.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from adloom.feature_store.store import UserHistory
from adloom.loop.catalogue.creatives.store import CreativeStore
from adloom.loop.catalogue.database import picture_codes, upsert
from adloom.loop.catalogue.histories.past_ads import PastAds
from adloom.loop.catalogue.histories.picture_codes import PictureCodes
from adloom.loop.catalogue.opening import open_catalogue
from adloom.loop.catalogue.product import Product
from adloom.loop.catalogue.rows import Entry
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.catalogue.vectors import Made
from adloom.models.retrieval import VECTOR_SIZE, representatives

_CLICKS = 256
_CHOSEN = 10
_CODEBOOK = "bench"
_TOKENS = 144
_AT_ONCE = 5_000
_STARTS = 9
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def bench_retrieval(
    *, quick: bool = False, on_step: Callable[[str], None] = lambda step: None
) -> dict[str, Any]:
    """Medians in milliseconds by number of products, and ratios of the largest to the smallest.

    `start_ms` is from nothing to a product at hand; vectors are made at import, so neither side
    makes any, and the baseline's start is to read them and to build its index.
    """
    sizes = (100, 1_000, 5_000) if quick else (1_000, 10_000, 100_000)
    requests = 30 if quick else 200
    by_size: dict[str, dict[str, float]] = {}
    for size in sizes:
        on_step(f"a catalogue of {size:,} products")
        with tempfile.TemporaryDirectory(prefix="adloom-bench-") as folder:
            by_size[f"{size}"] = _measured(Path(folder), size, requests)
    smallest, largest = by_size[f"{sizes[0]}"], by_size[f"{sizes[-1]}"]
    return {
        "products": by_size,
        "request_ratio": largest["request_ms"] / smallest["request_ms"],
        "start_ratio": largest["start_ms"] / smallest["start_ms"],
        "flat_request_ratio": largest["flat_request_ms"] / smallest["flat_request_ms"],
        "flat_start_ratio": largest["flat_start_ms"] / smallest["flat_start_ms"],
        "clicks": _CLICKS,
        "requests": requests,
    }


def _measured(folder: Path, size: int, requests: int) -> dict[str, float]:
    _fill(folder, size)
    rng = random.Random(size)
    shoppers = [_history(rng, size) for _ in range(requests)]
    wanted = [f"product-{rng.randrange(size):07d}" for _ in range(requests)]
    starts = [_milliseconds(lambda: open_catalogue(folder)[wanted[0]]) for _ in range(_STARTS)]
    past_ads = _past_ads(folder)
    chosen: list[float] = []
    for history, product_id in zip(shoppers, wanted, strict=True):
        product = past_ads.catalogue[product_id]
        spent = _milliseconds(partial(past_ads.representing, history, product, _CHOSEN))
        chosen.append(spent)
    flat_starts = [_milliseconds(lambda: FlatIndex.read(folder)) for _ in range(3)]
    flat = FlatIndex.read(folder)
    flat_chosen = [
        _milliseconds(partial(flat.representatives, product_id, history, _CHOSEN))
        for history, product_id in zip(shoppers, wanted, strict=True)
    ]
    return {
        "request_ms": float(np.median(chosen)),
        "start_ms": float(np.median(starts)),
        "flat_request_ms": float(np.median(flat_chosen)),
        "flat_start_ms": float(np.median(flat_starts)),
    }


@dataclass(frozen=True)
class FlatIndex:
    """One index over everything: the baseline."""

    rows: dict[str, int]
    vectors: NDArray[np.float32]
    index: faiss.IndexFlatIP

    @classmethod
    def read(cls, folder: Path) -> FlatIndex:
        vectors = np.load(folder / "flat.npy")
        names = json.loads((folder / "flat.json").read_text())
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        return cls({name: row for row, name in enumerate(names)}, vectors, index)

    def representatives(self, product_id: str, history: UserHistory, k: int) -> list[int]:
        rows = np.array([self.rows[item] for item in history.item_ids], dtype=np.int64)
        product = self.vectors[self.rows[product_id]]
        own = faiss.SearchParameters(sel=faiss.IDSelectorBatch(np.unique(rows)))  # type: ignore[call-arg]
        self.index.search(product[None], len(np.unique(rows)), params=own)
        return representatives(product, self.vectors[rows], history.clicked_at, k)


def _fill(folder: Path, size: int) -> None:
    """Products with random vectors: what they are made of costs no request anything."""
    rng = np.random.default_rng(0)
    catalogue = open_catalogue(folder)
    names, all_vectors = [], []
    for first in range(0, size, _AT_ONCE):
        some = [f"product-{n:07d}" for n in range(first, min(size, first + _AT_ONCE))]
        vectors = rng.standard_normal((len(some), VECTOR_SIZE), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        catalogue.put(
            [_entry(name) for name in some],
            {name: Made("text", vector) for name, vector in zip(some, vectors, strict=True)},
        )
        _keep_codes(catalogue, some, rng)
        names += some
        all_vectors.append(vectors)
    catalogue.close()
    np.save(folder / "flat.npy", np.concatenate(all_vectors))
    (folder / "flat.json").write_text(json.dumps(names))


def _entry(name: str) -> Entry:
    product = Product(
        product_id=name,
        name=f"The {name} of the shop",
        category="Home > Kitchen",
        selling_points=("hand made", "oak wood", "five years of warranty"),
        description="A thing that is sold. " * 10,
        image=f"{name}.jpg",
        picture_name=name,
    )
    return Entry(product, stamp=name, picture_stamp=name, source="bench")


def _keep_codes(catalogue: Catalogue, names: Sequence[str], rng: np.random.Generator) -> None:
    codes = rng.integers(0, 1024, (len(names), _TOKENS)).astype("<i2")
    rows: Iterator[dict[str, Any]] = (
        {"picture_name": name, "codebook": _CODEBOOK, "codes": code.tobytes()}
        for name, code in zip(names, codes, strict=True)
    )
    with catalogue.engine.begin() as connection:
        connection.execute(upsert(picture_codes, catalogue.engine), list(rows))


def _past_ads(folder: Path) -> PastAds:
    catalogue = open_catalogue(folder)

    def encode(pictures: Sequence[Any]) -> np.ndarray:
        raise AssertionError("all pictures have their codes")

    codes = PictureCodes(catalogue.engine, _CODEBOOK, encode)
    return PastAds(catalogue, CreativeStore(folder / "creatives"), codes)


def _history(rng: random.Random, size: int) -> UserHistory:
    clicked = [f"product-{rng.randrange(size):07d}" for _ in range(_CLICKS)]
    times = [_NOW + timedelta(hours=n) for n in range(_CLICKS)]
    return UserHistory(tuple(clicked), tuple(times), ("",) * _CLICKS)


def _milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3
