"""Products like a text or a product, out of all; the index on disk and what lies beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adloom.loop.catalogue import neighbours as module
from adloom.loop.catalogue.hashes import text_hash
from adloom.loop.catalogue.neighbours import Neighbours
from adloom.loop.catalogue.opening import open_catalogue, open_neighbours
from adloom.loop.catalogue.product import Product
from adloom.loop.catalogue.rows import Entry
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.catalogue.vectors import Made
from adloom.models.retrieval import VECTOR_SIZE
from tests.stocked import stocked


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return stocked(tmp_path / "home")


def named(found: list[Product]) -> list[str]:
    return [product.product_id for product in found]


def test_a_text_finds_what_it_means(home: Path) -> None:
    search = open_neighbours(home, open_catalogue(home))
    assert "hiking-boots" in named(search.like("something to wear on my feet in the mountains", 5))
    assert "ceramic-teapot" in named(search.near("coffee-mug", 8))
    assert "coffee-mug" not in named(search.near("coffee-mug", 200))
    assert search.near("nothing") == []


def test_the_index_on_disk_finds_the_same(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = open_catalogue(home)
    beside = open_neighbours(home, catalogue)
    before = named(beside.like("a present for a musician", 10))
    monkeypatch.setattr(module, "_LEAST_BESIDE", 0)
    assert beside.build()
    assert not beside.build()
    assert named(beside.like("a present for a musician", 10)) == before
    other = open_neighbours(home, open_catalogue(home))
    assert named(other.like("a present for a musician", 10)) == before


def test_retired_products_are_not_found_and_new_ones_are(home: Path) -> None:
    catalogue = open_catalogue(home)
    search = open_neighbours(home, catalogue)
    search._write()
    first = named(search.like("electric guitar", 3))[0]
    catalogue.retire([first])
    assert first not in named(search.like("electric guitar", 50))
    vector = catalogue.vectors.placed([first])[first].vector
    copy = replace(catalogue[first], product_id="copy", retired=False)
    catalogue.put([Entry(copy, stamp="s")], {"copy": Made(text_hash("text"), vector)})
    assert named(search.like("electric guitar", 3))[0] == "copy"


def test_a_large_catalogue_lies_in_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EXHAUSTIVE", 100)
    catalogue = open_catalogue(tmp_path)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((3_000, VECTOR_SIZE), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = [f"p{n}" for n in range(len(vectors))]
    keep(catalogue, names, vectors)
    search = open_neighbours(tmp_path, catalogue)
    assert search.build()
    # One more, just like another: the index does not have it yet.
    keep(catalogue, ["twin"], vectors[[7]])
    assert not search.build()
    assert named(search.near("twin", 1)) == ["p7"]
    assert named(search.near("p7", 1)) == ["twin"]


def keep(catalogue: Catalogue, names: list[str], vectors: np.ndarray) -> None:
    catalogue.put(
        [Entry(Product(name, name, picture_name="p"), stamp=name) for name in names],
        {name: Made("t", vector) for name, vector in zip(names, vectors, strict=True)},
    )


def test_an_empty_catalogue_has_no_neighbours(tmp_path: Path) -> None:
    search: Neighbours = open_neighbours(tmp_path, open_catalogue(tmp_path))
    assert search.like("anything") == []
    assert not search.build()
