"""`adloom migrate` with a place for pictures: all of them, or the home is as it was."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from adloom.loop.catalogue.opening import open_pictures
from adloom.loop.catalogue.picture_files.files import PicturesAway
from adloom.loop.catalogue.pictures.store import png_bytes
from adloom.loop.catalogue.taking_over.pictures import take_over_pictures
from adloom.loop.commands.app import app
from adloom.loop.database.opening import OldHome
from adloom.loop.settings.pictures import PicturesSettings
from tests.loop.catalogue.test_picture_store import noise
from tests.s3_server import S3Server, running_s3


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with running_s3() as server:
        yield server


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, s3: S3Server) -> PicturesSettings:
    if request.param == "s3":
        return s3.new_place()
    return PicturesSettings.model_validate({"url": str(tmp_path / "shared")})


def filled(home: Path, n: int = 5) -> list[str]:
    """A home with pictures of products and one of an ad of an earlier release; their names."""
    store = open_pictures(home)
    names = [store.put(noise(32 + i)) for i in range(n)]
    old = png_bytes(Image.new("RGB", (16, 16), "red"))
    name = hashlib.sha256(old).hexdigest()
    path = home / "creatives" / "png" / name[:2] / f"{name}.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(old)
    return [*names, name]


def tree(home: Path) -> dict[str, bytes]:
    files = [path for path in home.rglob("*") if path.is_file()]
    return {str(path.relative_to(home)): path.read_bytes() for path in files}


def test_a_home_is_refused_until_its_pictures_are_taken_over(
    tmp_path: Path, place: PicturesSettings
) -> None:
    home = tmp_path / "home"
    names = filled(home)
    before = tree(home)
    with pytest.raises(OldHome, match=r"pictures is not taken over.*adloom migrate"):
        open_pictures(home, place)
    assert tree(home) == before
    told: list[int] = []
    done = take_over_pictures(home, place, told.append)
    assert (done.moved, done.damaged, told[-1]) == (6, (), 6)
    assert not tree(home)
    store = open_pictures(home, place)
    assert [store.kind(name) for name in names] == ["webp"] * 5 + ["png"]
    assert store.load(names[0]).tobytes() == noise(32).tobytes()
    assert take_over_pictures(home, place).moved == 0


def test_homes_of_several_machines_come_together(tmp_path: Path, place: PicturesSettings) -> None:
    for name, n in (("one", 2), ("other", 4)):
        filled(tmp_path / name, n)
        take_over_pictures(tmp_path / name, place)
    store = open_pictures(tmp_path / "third", place)
    assert all(store.has(open_pictures(tmp_path / "x").put(noise(32 + i))) for i in range(4))


def test_damaged_pictures_are_left_out_and_named(tmp_path: Path, place: PicturesSettings) -> None:
    names = filled(tmp_path / "home")
    path = next((tmp_path / "home").rglob(f"{names[1]}.webp"))
    path.write_bytes(path.read_bytes()[:-7])
    done = take_over_pictures(tmp_path / "home", place)
    assert (done.moved, done.damaged) == (5, (names[1],))
    assert not open_pictures(tmp_path / "home", place).has(names[1])


def test_where_the_store_is_away_the_home_stays_as_it_was(tmp_path: Path) -> None:
    filled(tmp_path)
    before = tree(tmp_path)
    told = {"url": "s3://bucket/a", "endpoint_url": "http://127.0.0.1:9"}
    with pytest.raises(PicturesAway):
        take_over_pictures(tmp_path, PicturesSettings.model_validate(told))
    assert tree(tmp_path) == before
    assert open_pictures(tmp_path).load(open_pictures(tmp_path).put(noise(32))).size == (32, 32)


@pytest.mark.parametrize("where", ["first", "renamed", "removing"])
def test_killed_it_goes_on_where_it_stood(
    tmp_path: Path, place: PicturesSettings, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    names = filled(home)

    def die(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        if where == "renamed":
            monkeypatch.setattr(shutil, "rmtree", die)
        if where == "removing":
            removed = next((home / "catalogue").rglob("*.webp"))
            rmtree = shutil.rmtree

            def some(folder: Path) -> None:
                if folder.name.startswith("pictures"):
                    next(folder.rglob(removed.name)).unlink()
                    die()
                rmtree(folder)

            monkeypatch.setattr(shutil, "rmtree", some)
        take_over_pictures(home, place, die if where == "first" else lambda n: None)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    with pytest.raises(OldHome):
        open_pictures(home, place)
    assert take_over_pictures(home, place).damaged == ()
    store = open_pictures(home, place)
    assert all(store.has(name) for name in names)
    assert not tree(home)


def test_what_a_server_wrote_meanwhile_comes_too(tmp_path: Path, s3: S3Server) -> None:
    home, place = tmp_path / "home", s3.new_place()
    filled(home, 2)
    serving, late = open_pictures(home), list[str]()

    def meanwhile(_: int) -> None:
        if not late:
            late.append(serving.put(noise(90)))

    take_over_pictures(home, place, meanwhile)
    assert open_pictures(home, place).has(late[0])


def test_the_command_tells_what_was_moved(
    tmp_path: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, place = tmp_path / "home", s3.new_place()
    filled(home)
    monkeypatch.setenv("ADLOOM_HOME", str(home))
    monkeypatch.setenv("ADLOOM_PICTURES__URL", str(place.url))
    monkeypatch.setenv("ADLOOM_PICTURES__ENDPOINT_URL", str(place.endpoint_url))
    refused = CliRunner().invoke(app, ["catalog", "list"])
    assert refused.exit_code == 2
    assert "adloom migrate" in refused.stderr
    done = json.loads(CliRunner().invoke(app, ["migrate", "--json"]).stdout)
    assert (done["pictures"], done["damaged_pictures"]) == (6, [])
    assert CliRunner().invoke(app, ["catalog", "list"]).exit_code == 0
    assert "Nothing to do" in CliRunner().invoke(app, ["migrate"]).stdout
