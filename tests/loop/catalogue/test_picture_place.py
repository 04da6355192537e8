"""Pictures in a folder or in an object store: the same whichever it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image
from pydantic import ValidationError

from adloom.loop.catalogue.opening import open_pictures
from adloom.loop.catalogue.pictures.store import PictureStore, UnknownPicture, png_bytes
from adloom.loop.settings.pictures import PicturesSettings
from tests.loop.catalogue.test_picture_store import noise
from tests.s3_server import S3Server, running_s3


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with running_s3() as server:
        yield server


class Place:
    """Where pictures lie, and its files by their keys."""

    def __init__(self, kind: str, home: Path, s3: S3Server) -> None:
        self.home, self._s3, self._kind = home, s3, kind
        if kind == "s3":
            self.settings = s3.new_place()
        elif kind == "folder":
            self.settings = PicturesSettings.model_validate({"url": str(home / "shared")})
        else:
            self.settings = PicturesSettings()
        folders = {"folder": home / "shared", "home": home / "catalogue" / "pictures"}
        self._folder = folders.get(kind, home)

    def open(self) -> PictureStore:
        return open_pictures(self.home, self.settings)

    def write(self, key: str, content: bytes) -> None:
        if self._kind == "s3":
            self._s3.write(self.settings, f"pictures/{key}", content)
        else:
            (self._folder / key).parent.mkdir(parents=True, exist_ok=True)
            (self._folder / key).write_bytes(content)

    def remove(self, key: str) -> None:
        if self._kind == "s3":
            self._s3.remove(self.settings, f"pictures/{key}")
        else:
            os.unlink(self._folder / key)

    def keys(self) -> dict[str, bytes]:
        if self._kind == "s3":
            found = self._s3.objects(self.settings)
            return {key.removeprefix("pictures/"): content for key, content in found.items()}
        files = [path for path in self._folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(self._folder)): path.read_bytes() for path in files}


@pytest.fixture(params=["home", "folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, s3: S3Server) -> Place:
    return Place(request.param, tmp_path, s3)


def key(name: str, ending: str = "webp") -> str:
    return f"{name[:2]}/{name}.{ending}"


def test_a_picture_is_kept_once_and_read_by_others(place: Place) -> None:
    one, other = place.open(), place.open()
    name = one.put(noise(64))
    assert other.put(noise(64)) == name
    assert list(place.keys()) == [key(name)]
    assert other.load(name).tobytes() == noise(64).tobytes()
    assert other.has(name)
    assert other.file(name).kind == "webp"
    assert other.file(name).content == place.keys()[key(name)]


def test_pictures_are_listed_by_when_they_were_put(place: Place) -> None:
    store = place.open()
    names = {store.put(noise(side)) for side in (16, 24, 32)}

    def older(before: datetime) -> set[str]:
        return {name for some in store.older(before) for name in some}

    now = datetime.now(UTC)
    assert older(now - timedelta(minutes=5)) == set()
    assert older(now + timedelta(minutes=5)) == names
    gone = names.pop()
    store.remove(gone)
    place.write(f"{gone[:2]}/notes.txt", b"a person's")
    assert older(now + timedelta(minutes=5)) == names


@pytest.mark.parametrize("damage", [lambda whole: whole[:-9], lambda whole: b"", None])
def test_what_is_damaged_or_lost_is_not_there_until_it_is_put_again(
    place: Place, damage: Callable[[bytes], bytes] | None
) -> None:
    name = place.open().put(noise(48))
    whole = place.keys()[key(name)]
    if damage is None:
        place.remove(key(name))
    else:
        place.write(key(name), damage(whole))
    store = place.open()
    with pytest.raises(UnknownPicture):
        store.file(name)
    assert store.put(noise(48)) == name
    assert place.keys() == {key(name): whole}
    assert place.open().file(name).content == whole


@pytest.mark.parametrize("name", ["", "../secret", "a" * 63, "A" * 64, "a" * 64, "/etc/passwd"])
def test_only_names_of_pictures_are_looked_up(place: Place, name: str) -> None:
    store = place.open()
    assert not store.has(name)
    with pytest.raises(UnknownPicture):
        store.load(name)


def test_ads_of_earlier_releases_are_shown_as_they_were(place: Place, tmp_path: Path) -> None:
    import hashlib

    old = png_bytes(Image.new("RGB", (16, 16), "red"))
    name = hashlib.sha256(old).hexdigest()
    if place.settings.url is None:
        path = tmp_path / "creatives" / "png" / key(name, "png")
        path.parent.mkdir(parents=True)
        path.write_bytes(old)
    else:
        place.write(key(name, "png"), old)
    store = place.open()
    assert (store.file(name).kind, store.file(name).content) == ("png", old)
    assert store.load(name).getpixel((0, 0)) == (255, 0, 0)
    assert store.kind(name) == "png"


def test_many_threads_put_and_load_the_same_pictures(place: Place) -> None:
    stores = [place.open() for _ in range(2)]

    def there_and_back(i: int) -> bool:
        picture = noise(40 + i % 3)
        name = stores[i % 2].put(picture)
        return stores[(i + 1) % 2].load(name).tobytes() == picture.tobytes()

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(there_and_back, range(24)))
    assert len(place.keys()) == 3


def test_an_object_tells_browsers_what_it_is(tmp_path: Path, s3: S3Server) -> None:
    place = Place("s3", tmp_path, s3)
    name = place.open().put(noise(32))
    assert s3.media_type(place.settings, f"pictures/{key(name)}") == "image/webp"


def test_an_object_that_is_far_too_large_is_not_read_whole(tmp_path: Path, s3: S3Server) -> None:
    place = Place("s3", tmp_path, s3)
    name = place.open().put(noise(32))
    place.write(key(name), bytes(17 << 20))
    with pytest.raises(UnknownPicture):
        place.open().file(name)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"url": "pictures"}, "whole path"),
        ({"url": "ftp://host/pictures"}, "none of s3://"),
        ({"url": "http://host/pictures"}, "none of s3://"),
        ({"url": "simplecache::s3://bucket"}, "none of s3://"),
        ({"url": "s3://"}, "not a bucket"),
        ({"url": "s3://bucket/a/../b"}, "not a bucket"),
        ({"url": "s3://key:word@bucket/a"}, "login out of it"),
        ({"endpoint_url": "host:9000"}, "not an address"),
        ({"public_url": "https://me:word@cdn.shop.example"}, "login out of it"),
        ({"public_url": "javascript:alert(1)"}, "not an address"),
    ],
)
def test_a_place_that_is_none_is_refused_and_no_secret_is_told(
    told: dict[str, str], why: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        PicturesSettings.model_validate(told)
    [problem] = refused.value.errors()
    assert why in problem["msg"]
    assert "word" not in problem["msg"]
