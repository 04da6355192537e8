"""The creative store keeps ads and their pictures."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adloom.loop.catalogue.creatives.store import Creative, CreativeStore, UnknownAd
from adloom.loop.catalogue.opening import open_creatives
from adloom.loop.settings.database import DatabaseSettings


@pytest.fixture
def store(tmp_path: Path, database: DatabaseSettings) -> Iterator[CreativeStore]:
    opened = open_creatives(tmp_path, database)
    yield opened
    opened.close()


def creative(store: CreativeStore, ad_id: str, title: str = "A red shoe") -> Creative:
    picture = store.put_picture(Image.new("RGB", (16, 16), "red"))
    return Creative(
        ad_id=ad_id,
        product_id="running-shoe",
        title=title,
        picture=picture,
        codes=np.array([0, 1, 1023, 16_383], dtype=np.int16),
        background_codes=np.array([5, 6, 7, 8], dtype=np.int16),
        variant="champion",
        version="3",
        seed=7,
        served_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )


def test_an_ad_comes_back_as_it_was_stored(store: CreativeStore) -> None:
    made = creative(store, "ad-1")
    store.add([made])
    read = store.get("ad-1")
    np.testing.assert_array_equal(read.codes, made.codes)
    np.testing.assert_array_equal(read.background_codes, made.background_codes)
    assert (read.title, read.version, read.seed, read.served_at) == (
        made.title,
        made.version,
        made.seed,
        made.served_at,
    )
    assert store.picture(read.picture).getpixel((3, 3)) == pytest.approx((255, 0, 0), abs=4)


def test_ads_outlive_the_process_that_made_them(tmp_path: Path, database: DatabaseSettings) -> None:
    first = open_creatives(tmp_path, database)
    first.add([creative(first, "ad-1")])
    first.close()
    second = open_creatives(tmp_path, database)
    assert second.get("ad-1").title == "A red shoe"
    second.close()


def test_the_shops_titles_are_read_in_the_order_they_came_in(store: CreativeStore) -> None:
    for title, variant in [("one", "shop"), ("drawn", "champion"), ("two", "shop")]:
        store.add([replace(creative(store, title, title), variant=variant)])
    first = store.shop_titles(after=0, limit=1)
    rest = store.shop_titles(after=first[0].number, limit=10)
    assert [title.title for title in (*first, *rest)] == ["one", "two"]


def test_a_page_follows_an_ad_and_may_be_of_one_product(store: CreativeStore) -> None:
    store.add([creative(store, name) for name in "abc"])
    store.add([replace(creative(store, "bag"), product_id="bag")])
    assert [ad.ad_id for ad in store.page(after="a", limit=2)] == ["b", "bag"]
    assert [ad.ad_id for ad in store.page(product_id="bag")] == ["bag"]


def test_a_stored_ad_never_changes(store: CreativeStore) -> None:
    store.add([creative(store, "ad-1", "first")])
    store.add([creative(store, "ad-1", "second")])
    assert store.get("ad-1").title == "first"
    assert len(store) == 1


def test_the_same_picture_is_stored_once(store: CreativeStore, tmp_path: Path) -> None:
    store.add([creative(store, "ad-1"), creative(store, "ad-2")])
    assert len(list(tmp_path.rglob("*.webp"))) == 1


def test_an_unknown_ad_is_named_in_the_error(store: CreativeStore) -> None:
    with pytest.raises(UnknownAd, match="no ad 'nothing'"):
        store.get("nothing")


@pytest.mark.parametrize("name", ["../../etc/passwd", "a" * 63, "G" * 64, "", "0" * 64])
def test_only_a_stored_hash_names_a_picture(store: CreativeStore, name: str) -> None:
    with pytest.raises(UnknownAd):
        store.picture(name)


def test_a_failed_write_stores_nothing(store: CreativeStore) -> None:
    def broken() -> Iterator[Creative]:
        yield creative(store, "ad-1")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        store.add(broken())
    assert len(store) == 0


def test_many_ads_are_read_at_once_and_missing_ones_left_out(store: CreativeStore) -> None:
    store.add([creative(store, f"ad-{n}") for n in range(1200)])
    found = store.get_many([f"ad-{n}" for n in range(1100, 1300)] + ["ad-1100"])
    assert sorted(found) == [f"ad-{n}" for n in range(1100, 1200)]


def test_many_writers_lose_nothing_and_number_the_shops_ads_in_the_order_they_come(
    tmp_path: Path, database: DatabaseSettings
) -> None:
    seen: list[int] = []

    def write(writer: int) -> None:
        own = open_creatives(tmp_path, database)
        # Writers have ads of their own, and some that all of them have, in orders of their own.
        names = [f"ad-{writer}-{n}" for n in range(20)] + [f"all-{n}" for n in range(20)]
        some = [replace(creative(own, name), variant="shop") for name in names]
        for ads in (some, some[::-1]) if writer % 2 else (some[::-1], some):
            own.add(ads)
            own.stamp({ad.ad_id: f"of {writer}" for ad in ads})
        own.close()

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    reader = open_creatives(tmp_path, database)
    while any(thread.is_alive() for thread in threads):
        # As whoever learns from titles reads them: nothing comes in before what was read.
        seen += [t.number for t in reader.shop_titles(after=max(seen, default=0), limit=7)]
    for thread in threads:
        thread.join()
    assert len(reader) == 4 * 20 + 20
    numbers = [title.number for title in reader.shop_titles(after=0, limit=200)]
    assert len(set(numbers)) == 100
    assert seen == numbers[: len(seen)]
    reader.close()
