"""Catalogue and creatives under a damaged file: told in words, and used again once it is mended."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from adloom.loop.catalogue.opening import open_catalogue, open_creatives
from adloom.loop.catalogue.product import Product
from adloom.loop.catalogue.rows import Entry
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.catalogue.vectors import Made
from adloom.loop.database import file_health
from adloom.loop.database.health import DatabaseUnusable
from adloom.models.retrieval import VECTOR_SIZE
from tests.damage import Damage, a_text, emptied, halved, in_the_middle, removed
from tests.loop_parts import keep_shop_ads

DAMAGES = [in_the_middle, emptied, halved, a_text, removed]


@pytest.fixture(autouse=True)
def _looked_at_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_health, "_CHECK_EVERY_SECONDS", 0.0)


def filled_catalogue(home: Path) -> Catalogue:
    catalogue = open_catalogue(home)
    products = [Product(f"product-{n}", f"Mug {n}", description="x" * 500) for n in range(200)]
    vector = np.ones(VECTOR_SIZE, dtype=np.float32)
    catalogue.put(
        [Entry(product, stamp=product.name, source="feed") for product in products],
        {product.product_id: Made("text", vector) for product in products},
    )
    return catalogue


def read_all(catalogue: Catalogue) -> None:
    ids = [entry.product.product_id for entry in catalogue.page(limit=10_000)]
    catalogue.vectors.placed(ids)


def copied(file: Path) -> Path:
    """A whole copy; all of it lies in the file itself afterwards."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Path(shutil.copy(file, file.with_name("copy.db")))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_catalogue_is_told_to_be_damaged_and_used_again_once_a_copy_is_back(
    tmp_path: Path, damage: Damage
) -> None:
    catalogue = filled_catalogue(tmp_path)
    file = tmp_path / "adloom.db"
    copy = copied(file)
    before = [entry.product.product_id for entry in catalogue.page()]
    assert catalogue.problem() is None
    damage(file)
    catalogue.problem()
    with pytest.raises(DatabaseUnusable, match=r"adloom\.db.*put a copy back"):
        read_all(catalogue)
    assert "put a copy back" in (catalogue.problem() or "")
    for ending in ("-wal", "-shm"):
        file.with_name(file.name + ending).unlink(missing_ok=True)
    copy.replace(file)
    assert catalogue.problem() is None
    assert [entry.product.product_id for entry in catalogue.page()] == before
    catalogue.close()


@pytest.mark.parametrize("damage", DAMAGES)
def test_creatives_are_told_to_be_damaged_and_used_again_once_a_copy_is_back(
    tmp_path: Path, damage: Damage
) -> None:
    store = open_creatives(tmp_path)
    ads = keep_shop_ads(store, 40)
    file = tmp_path / "adloom.db"
    copy = copied(file)
    store.close()
    assert store.problem() is None
    damage(file)
    store.problem()
    store.close()  # what it knows is as old as the file
    with pytest.raises(DatabaseUnusable, match=r"adloom\.db.*put a copy back"):
        store.get_many([ad.ad_id for ad in ads])
    assert "put a copy back" in (store.problem() or "")
    for ending in ("-wal", "-shm"):
        file.with_name(file.name + ending).unlink(missing_ok=True)
    copy.replace(file)
    assert store.problem() is None
    assert store.known([ad.ad_id for ad in ads]) == {ad.ad_id for ad in ads}
    store.close()


@pytest.mark.parametrize("damage", [in_the_middle, a_text])
def test_who_opens_a_damaged_database_is_told(tmp_path: Path, damage: Damage) -> None:
    filled_catalogue(tmp_path).close()
    damage(tmp_path / "adloom.db")
    with pytest.raises(DatabaseUnusable, match=r"adloom\.db is damaged"):
        open_catalogue(tmp_path).page(limit=10_000)
    a_text(tmp_path / "adloom.db")
    with pytest.raises(DatabaseUnusable, match=r"adloom\.db is damaged"):
        open_creatives(tmp_path)
