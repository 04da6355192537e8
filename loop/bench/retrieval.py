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
from adloom.loop.catalogue.histories.past_ads import PastAds
from adloom.loop.catalogue.histories.picture_codes import PictureCodes
from adloom.loop.catalogue.histories.reading import HistoryReader
from adloom.loop.catalogue.opening import open_catalogue, open_creatives
from adloom.loop.catalogue.product import Product
from adloom.loop.catalogue.rows import Entry
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.catalogue.vectors import Made
from adloom.loop.database.statements import upsert
from adloom.loop.database.tables import picture_codes
from adloom.models.looks import unit
from adloom.models.retrieval import VECTOR_SIZE, representatives

_CLICKS = 256
_CHOSEN = 10
_CODEBOOK = "bench"
_TOKENS = 144
_CODES = 1024
_AT_ONCE = 5_000
_STARTS = 41
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def bench_retrieval(
    *, quick: bool = False, on_step: Callable[[str], None] = lambda step: None
) -> dict[str, Any]:
    """Medians in milliseconds by number of products, and ratios of the largest to the smallest.

    `start_ms` is from nothing to a product at hand; vectors are made at import, so neither side
    makes any, and the baseline's start is to read them and to build its index.
    """
    sizes = (500, 1_000, 5_000) if quick else (1_000, 10_000, 100_000)
    requests = 30 if quick else 200
    with tempfile.TemporaryDirectory(prefix="adloom-bench-") as scratch:
        shops = []
        for size in sizes:
            on_step(f"Filling a catalogue of {size:,} products")
            shops.append(_Shop(Path(scratch) / f"{size}", size))
        on_step("Measuring, one catalogue after the other, again and again")
        by_size = _measured(shops, requests)
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


class _Shop:
    """A catalogue of some size, beside the baseline of it."""

    def __init__(self, folder: Path, size: int) -> None:
        _fill(folder, size)
        self.size = size
        self.folder = folder
        self.past_ads = _past_ads(folder)
        self.flat = FlatIndex.read(folder)
        self.rng = random.Random(size)

    def start(self) -> None:
        """From nothing to a product at hand."""
        catalogue = open_catalogue(self.folder)
        catalogue[_name(0)]
        catalogue.close()

    def request(self) -> tuple[float, float]:
        """Milliseconds of a request, and of the same with the baseline."""
        clicked = [_name(number) for number in self.rng.sample(range(self.size), _CLICKS)]
        times = tuple(_NOW + timedelta(hours=n) for n in range(_CLICKS))
        history = UserHistory(tuple(clicked), times, ("",) * _CLICKS)
        product = self.past_ads.catalogue[_name(self.rng.randrange(self.size))]
        return (
            _milliseconds(partial(self.past_ads.representing, history, product, _CHOSEN)),
            _milliseconds(partial(self.flat.representatives, product.product_id, history, _CHOSEN)),
        )


def _measured(shops: Sequence[_Shop], requests: int) -> dict[str, dict[str, float]]:
    """Sizes take turns, so that a slow minute of the machine is none of one size."""
    asked = [[shop.request() for shop in shops] for _ in range(requests)]
    starts = [[_milliseconds(shop.start) for shop in shops] for _ in range(_STARTS)]
    flat = [[_milliseconds(partial(FlatIndex.read, s.folder)) for s in shops] for _ in range(3)]
    return {
        f"{shop.size}": {
            "request_ms": float(np.median([both[n][0] for both in asked])),
            "start_ms": float(np.median([each[n] for each in starts])),
            "flat_request_ms": float(np.median([both[n][1] for both in asked])),
            "flat_start_ms": float(np.median([each[n] for each in flat])),
        }
        for n, shop in enumerate(shops)
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
        some = [_name(n) for n in range(first, min(size, first + _AT_ONCE))]
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
    codes = rng.integers(0, _CODES, (len(names), _TOKENS)).astype("<i2")
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
    vectors = np.random.default_rng(1).standard_normal((_CODES, 8), dtype=np.float32)
    reader = HistoryReader(unit(vectors), catalogue.vectors.encoder.embed)
    return PastAds(catalogue, open_creatives(folder), codes, reader)


def _name(number: int) -> str:
    return f"product-{number:07d}"


def _milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3
