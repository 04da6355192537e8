"""The picture store keeps pictures under the hash of their bytes."""

from __future__ import annotations

import hashlib
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adloom.loop.catalogue.pictures.store import PictureStore, UnknownPicture
from tests.kept_pictures import file_of


def noise(side: int, mode: str = "RGBA") -> Image.Image:
    pixels = np.random.default_rng(side).integers(0, 256, (side, side, 4), dtype=np.uint8)
    pixels[..., 3] |= 1  # under what is transparent, no colour is kept
    return Image.fromarray(pixels).convert(mode)


def test_a_cutout_comes_back_pixel_by_pixel(tmp_path: Path) -> None:
    store = PictureStore.in_folder(tmp_path / "pictures")
    name = store.put(noise(256))
    np.testing.assert_array_equal(np.asarray(store.load(name)), np.asarray(noise(256)))
    again = PictureStore.in_folder(tmp_path / "pictures")
    np.testing.assert_array_equal(np.asarray(again.load(name)), np.asarray(noise(256)))


def test_the_name_is_the_hash_of_the_file_and_the_same_for_the_same_picture(
    tmp_path: Path,
) -> None:
    store = PictureStore.in_folder(tmp_path)
    name = store.put(noise(64))
    assert hashlib.sha256(store.file(name).content).hexdigest() == name
    assert store.put(noise(64)) == name
    assert store.put(noise(65)) != name


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_whole_pictures_are_made_smaller(tmp_path: Path, mode: str) -> None:
    store = PictureStore.in_folder(tmp_path)
    wide = Image.new(mode, (3000, 1500), "teal")
    shown = store.load(store.put(wide))
    assert (shown.mode, shown.size) == ("RGB" if mode == "RGB" else shown.mode, (1024, 512))
    assert wide.size == (3000, 1500)


def test_what_was_loaded_may_be_painted_over(tmp_path: Path) -> None:
    store = PictureStore.in_folder(tmp_path)
    name = store.put(noise(32))
    for _ in range(2):
        shown = store.load(name)
        np.testing.assert_array_equal(np.asarray(shown), np.asarray(noise(32)))
        shown.paste("black", (0, 0, 32, 32))


def test_nobody_else_reads_the_files(tmp_path: Path) -> None:
    store = PictureStore.in_folder(tmp_path / "pictures")
    path = file_of(store, store.put(noise(16)))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "pictures").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["", "../secret", "a" * 63, "A" * 64, "a" * 64, "/etc/passwd"])
def test_only_names_of_pictures_are_looked_up(tmp_path: Path, name: str) -> None:
    store = PictureStore.in_folder(tmp_path)
    with pytest.raises(UnknownPicture):
        store.file(name)
    with pytest.raises(UnknownPicture):
        store.load(name)


def test_many_threads_put_and_load_the_same_pictures(tmp_path: Path) -> None:
    stores = [PictureStore.in_folder(tmp_path) for _ in range(2)]

    def there_and_back(i: int) -> bool:
        picture = noise(40 + i % 5)
        name = stores[i % 2].put(picture)
        return stores[(i + 1) % 2].load(name).tobytes() == picture.tobytes()

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(there_and_back, range(60)))
    assert not list(tmp_path.rglob("*.partial"))


def test_more_pictures_than_memory_holds_are_still_there(tmp_path: Path) -> None:
    store = PictureStore.in_folder(tmp_path)
    whites = [Image.new("RGB", (1024, 1000 + i), "white") for i in range(20)]
    names = [store.put(white) for white in whites]
    for name, white in zip(names * 2, whites * 2, strict=True):
        assert store.load(name).size == white.size
