"""The catalogue keeps what a shop tells, looks products up one by one, and follows others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adloom.loop.catalogue.opening import open_catalogue
from adloom.loop.catalogue.product import Price, Product, UnknownProduct
from adloom.loop.catalogue.rows import Entry
from adloom.loop.catalogue.store import Catalogue, RetiredProduct
from adloom.loop.catalogue.vectors import Made
from adloom.loop.database.claims import claimed
from adloom.loop.settings.database import DatabaseSettings
from adloom.models.retrieval import VECTOR_SIZE

MUG = Product(
    product_id="mug/1 Ä",
    name="Tasse „Ä“ 100 %",
    category="Küche > Tassen",
    selling_points=("von Hand", "spülmaschinenfest"),
    language="de",
    short_name="Tasse",
    description="Eine Tasse.",
    price=Price(Decimal("19.90"), "EUR"),
    sale_price=Price(Decimal("9.90"), "EUR"),
    availability="preorder",
    link="https://shop.example/tasse",
    brand="Ton",
    image="tasse.jpg",
    picture_name="p",
    cutout_name="c",
)


@pytest.fixture
def catalogue(tmp_path: Path, database: DatabaseSettings) -> Iterator[Catalogue]:
    opened = open_catalogue(tmp_path, None, database)
    yield opened
    opened.close()


def put(catalogue: Catalogue, *products: Product) -> None:
    vector = np.ones(VECTOR_SIZE, dtype=np.float32)
    catalogue.put(
        [Entry(product, stamp=product.name, source="feed") for product in products],
        {product.product_id: Made("text", vector) for product in products},
    )


def test_a_product_comes_back_as_it_was_told(catalogue: Catalogue) -> None:
    put(catalogue, MUG)
    found = catalogue[MUG.product_id]
    assert replace(found, updated=None) == MUG
    assert found.updated is not None
    assert found.updated.tzinfo is not None


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    opened = open_catalogue(tmp_path_factory.mktemp("any"))
    yield opened
    opened.close()


@settings(max_examples=40, deadline=None)
@given(
    st.builds(
        Product,
        product_id=st.text(min_size=1, max_size=128).filter(lambda s: "\x00" not in s),
        name=st.text(min_size=1).filter(lambda s: "\x00" not in s),
        selling_points=st.lists(st.text(), max_size=4).map(tuple),
        description=st.text(),
        price=st.none() | st.decimals(0, 10**9, places=2).map(lambda amount: Price(amount, "JPY")),
    )
)
def test_any_product_comes_back(everything: Catalogue, product: Product) -> None:
    try:
        product.product_id.encode()
        product.name.encode()
    except UnicodeEncodeError:  # half of a surrogate pair is no text
        return
    put(everything, product)
    assert replace(everything[product.product_id], updated=None) == product


def test_unknown_and_retired_products_are_told_apart(catalogue: Catalogue) -> None:
    put(catalogue, MUG)
    with pytest.raises(UnknownProduct, match=r"'pan'.*adloom catalog list"):
        catalogue.selling("pan")
    assert catalogue.retire([MUG.product_id, "pan"]) == [MUG.product_id]
    assert catalogue.retire([MUG.product_id]) == []
    with pytest.raises(RetiredProduct, match="not sold any more"):
        catalogue.selling(MUG.product_id)
    assert catalogue[MUG.product_id].retired  # histories still read it
    assert (catalogue.count(), catalogue.count(retired=True)) == (0, 1)
    put(catalogue, MUG)
    assert not catalogue.selling(MUG.product_id).retired


def test_pages_follow_each_other_and_are_searched(catalogue: Catalogue) -> None:
    put(catalogue, *(replace(MUG, product_id=f"p{n:02d}", name=f"Mug {n}") for n in range(25)))
    put(catalogue, replace(MUG, product_id="x", name="100%_sure\\"))
    seen: list[str] = []
    while page := catalogue.page(after=seen[-1] if seen else "", limit=10):
        seen += [entry.product.product_id for entry in page]
    assert seen == sorted(seen)
    assert len(seen) == 26
    put(catalogue, replace(MUG, product_id="y", name="Öltuch"))
    assert [entry.product.product_id for entry in catalogue.page(search="öLT")] == ["y"]
    found = [entry.product.product_id for entry in catalogue.page(search="MUG 1")]
    assert found == ["p01", *(f"p{n}" for n in range(10, 20))]
    # What means something to SQL is searched as it is.
    assert [entry.product.product_id for entry in catalogue.page(search="0%_s")] == ["x"]
    assert [entry.product.product_id for entry in catalogue.page(search="e\\")] == ["x"]


def test_what_another_process_changed_is_seen_after_a_look(
    catalogue: Catalogue, tmp_path: Path, database: DatabaseSettings
) -> None:
    put(catalogue, MUG)
    other = open_catalogue(tmp_path, None, database)
    assert other[MUG.product_id].name == MUG.name
    assert "pan" not in other.find(["pan"])
    put(catalogue, replace(MUG, name="Neue Tasse"), replace(MUG, product_id="pan"))
    assert other.follow()
    assert other[MUG.product_id].name == "Neue Tasse"
    assert other["pan"].name == MUG.name
    assert not other.follow()


def test_many_writers_lose_nothing(tmp_path: Path, database: DatabaseSettings) -> None:
    def write(writer: int) -> None:
        own = open_catalogue(tmp_path, None, database)
        for n in range(10):
            put(own, replace(MUG, product_id=f"{writer}-{n}"))
        own.close()

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    catalogue = open_catalogue(tmp_path, None, database)
    assert catalogue.count() == 40
    assert catalogue.revision() == 40
    catalogue.close()


def test_of_many_processes_one_has_the_work(
    catalogue: Catalogue, tmp_path: Path, database: DatabaseSettings
) -> None:
    other = open_catalogue(tmp_path, None, database)
    with claimed(catalogue.engine, "feed", 60) as first:
        assert first
        with claimed(other.engine, "feed", 60) as second, claimed(other.engine, "x", 60) as third:
            assert not second
            assert third
    with claimed(other.engine, "feed", 0.0) as again:  # as if it died: the claim runs out
        assert again
        with claimed(catalogue.engine, "feed", 60) as later:
            assert later
    with claimed(other.engine, "feed", 60) as renewed:
        renewed.renew()
        with claimed(catalogue.engine, "feed", 60) as later:
            assert not later


def test_the_database_is_private(tmp_path: Path) -> None:
    catalogue = open_catalogue(tmp_path)
    put(catalogue, MUG)
    files = list(tmp_path.glob("adloom.db*"))
    assert files
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)
