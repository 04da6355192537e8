"""The creative store keeps ads and their pictures."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adloom.loop.catalogue.creatives import Creative, CreativeStore, UnknownAd


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CreativeStore]:
    opened = CreativeStore(tmp_path / "creatives")
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
    assert store.picture(read).getpixel((3, 3)) == (255, 0, 0)


def test_ads_outlive_the_process_that_made_them(tmp_path: Path) -> None:
    first = CreativeStore(tmp_path)
    first.add([creative(first, "ad-1")])
    first.close()
    second = CreativeStore(tmp_path)
    assert second.get("ad-1").title == "A red shoe"
    second.close()


def test_a_stored_ad_never_changes(store: CreativeStore) -> None:
    store.add([creative(store, "ad-1", "first")])
    store.add([creative(store, "ad-1", "second")])
    assert store.get("ad-1").title == "first"
    assert len(store) == 1


def test_the_same_picture_is_stored_once(store: CreativeStore, tmp_path: Path) -> None:
    store.add([creative(store, "ad-1"), creative(store, "ad-2")])
    assert len(list((tmp_path / "creatives" / "png").rglob("*.png"))) == 1


def test_an_unknown_ad_is_named_in_the_error(store: CreativeStore) -> None:
    with pytest.raises(UnknownAd, match="no ad 'nothing'"):
        store.get("nothing")


@pytest.mark.parametrize("name", ["../../etc/passwd", "a" * 63, "G" * 64, "", "0" * 64])
def test_only_a_stored_hash_names_a_picture(store: CreativeStore, name: str) -> None:
    with pytest.raises(UnknownAd):
        store.picture_path(name)


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


def test_threads_share_a_store(store: CreativeStore) -> None:
    def write(worker: int) -> None:
        for n in range(20):
            store.add([creative(store, f"ad-{worker}-{n}")])

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store) == 80
