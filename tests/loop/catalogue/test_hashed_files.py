"""Files under the hash of their content: one that is damaged is not there, and is written anew."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from adloom.loop.catalogue.creatives.store import UnknownAd
from adloom.loop.catalogue.hashed_files import HashedFiles
from adloom.loop.catalogue.opening import open_creatives
from adloom.loop.catalogue.pictures.store import PictureStore, UnknownPicture
from tests.kept_pictures import file_of

CONTENT = b"a picture" * 1_000


def emptied(file: Path) -> None:
    os.truncate(file, 0)


def halved(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def changed(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def removed(file: Path) -> None:
    file.unlink()


def a_folder(file: Path) -> None:
    file.unlink()
    (file / "inside").mkdir(parents=True)


DAMAGES = [emptied, halved, changed, removed]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("again", [False, True])
def test_a_damaged_file_is_not_there_until_it_is_put_again(
    tmp_path: Path, damage: Callable[[Path], None], again: bool
) -> None:
    files = HashedFiles(tmp_path, ".bin")
    name = files.put(CONTENT)
    assert name == hashlib.sha256(CONTENT).hexdigest()
    path = files.find(name)
    assert path is not None
    damage(path)
    if again:
        files = HashedFiles(tmp_path, ".bin")
    assert files.find(name) is None
    assert files.put(CONTENT) == name
    assert (found := files.find(name)) is not None
    assert found.read_bytes() == CONTENT
    assert not list(tmp_path.rglob("*.partial"))


def test_a_folder_in_the_place_of_a_file_is_no_file(tmp_path: Path) -> None:
    files = HashedFiles(tmp_path, ".bin")
    name = files.put(CONTENT)
    path = files.find(name)
    assert path is not None
    a_folder(path)
    assert files.find(name) is None


def test_a_file_is_hashed_once_as_long_as_it_stays_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = HashedFiles(tmp_path, ".bin").put(CONTENT)
    files = HashedFiles(tmp_path, ".bin")
    read: list[Any] = []
    digest = hashlib.file_digest

    def noting(file: Any, kind: str) -> Any:
        read.append(file)
        return digest(file, kind)

    monkeypatch.setattr(hashlib, "file_digest", noting)
    for _ in range(3):
        assert files.find(name) is not None
    assert len(read) == 1


def test_nobody_else_reads_the_files(tmp_path: Path) -> None:
    name = HashedFiles(tmp_path / "files", ".bin").put(CONTENT)
    for found in (tmp_path / "files").rglob("*"):
        mode = stat.S_IMODE(found.stat().st_mode)
        assert mode == (0o700 if found.is_dir() else 0o600)
    assert HashedFiles(tmp_path / "files", ".bin").find(name) is not None


def test_pictures_of_ads_and_products_are_repaired_by_putting_them_again(tmp_path: Path) -> None:
    picture = Image.new("RGB", (32, 32), "teal")
    ads, products = open_creatives(tmp_path / "ads"), PictureStore.in_folder(tmp_path / "products")
    ad, product = ads.put_picture(picture), products.put(picture)
    assert products.has(product)
    emptied(file_of(ads.pictures, ad))
    halved(file_of(products, product))
    assert not products.has(product)
    with pytest.raises(UnknownAd):
        ads.picture(ad)
    with pytest.raises(UnknownPicture):
        products.file(product)
    assert (ads.put_picture(picture), products.put(picture)) == (ad, product)
    assert ads.picture(ad).size == products.load(product).size == (32, 32)
    ads.close()


def test_what_is_put_again_is_young_again(tmp_path: Path) -> None:
    files = HashedFiles(tmp_path, ".txt")
    name, other = files.put(CONTENT), files.put(b"other")
    now = time.time()
    for one in (name, other):
        os.utime(files.place(one), (now - 90_000, now - 90_000))
    a_folder(files.place(other))
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert [one for some in files.older(yesterday) for one in some] == [name]
    files.put(CONTENT)
    assert not any(files.older(yesterday))
    assert files.read(name) == CONTENT
