"""A home that was moved or copied works where it lies, and leaves the one it came from alone."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from adloom.loop import home
from adloom.loop.demo.parts import demo_settings, write_settings
from adloom.loop.learning.moved_home import follow_home
from adloom.loop.learning.registry_errors import RegistryUnavailable
from adloom.loop.learning.rounds.train import train_round
from adloom.loop.serving.app import create_app
from adloom.loop.settings import Settings, SettingsError, load_settings
from tests.forking import processes
from tests.loop.doctor.looks import tree
from tests.loop.learning.clicked_home import click, clicked_home
from tests.loop_parts import training_ground


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a home whose champion learnt from clicks, its base, and settings of both."""
    folder = tmp_path_factory.mktemp("made")
    # In a process of its own: what stays open in this one would write at its end.
    making = processes.Process(target=_make, args=(folder,))
    making.start()
    making.join()
    assert making.exitcode == 0
    return folder


def _make(folder: Path) -> None:
    settings, file = clicked_home(folder)
    with home.open_features(settings) as features:
        ground = training_ground(settings, features)
        train_round(ground, force=True)
        ground.registry.promote(2)
    file.write_text(file.read_text().replace(f'"{settings.home}"', '"home"'))


def settings_in(folder: Path) -> Settings:
    return load_settings(
        folder / "adloom.toml",
        generator={"path": folder / "model", "device": "cpu"},
        serve={"hosts": ["testserver"]},
    )


def goes_on(folder: Path) -> None:
    """Serves, takes clicks, learns from them and promotes, all in this folder."""
    settings = settings_in(folder)
    assert settings.home == folder / "home"
    shutil.rmtree(settings.home / "mlflow" / "adapters", ignore_errors=True)  # fetched again
    click(settings, ("eve", "fay", "gil", "hal"), timedelta(seconds=1))
    with home.open_features(settings) as features:
        ground = training_ground(settings, features)
        outcome = train_round(ground, force=True)
        assert (outcome.version, outcome.parent) == (3, 2)
        ground.registry.promote(3)
        adapter = ground.registry.adapter(ground.registry.version(3))
        assert adapter is not None
        assert folder in adapter.parents
        ground.past_ads.creatives.close()
        ground.past_ads.catalogue.close()
    with TestClient(create_app(settings)) as client:
        asked = {"user_id": "ann", "product_id": "running-shoes"}
        answer = client.post("/v1/ads", json=asked)
        assert answer.status_code == 200, answer.text
        assert client.get("/readyz").json()["version"] == "3"
    assert len(list((folder / "home" / "mlflow" / "artifacts" / "models").iterdir())) == 3


@pytest.mark.parametrize("name", ["copy", "größere Läden & 店"])
def test_a_copy_writes_into_itself(made: Path, tmp_path: Path, name: str) -> None:
    copy = tmp_path / name
    shutil.copytree(made, copy, symlinks=True)
    before = tree(made)
    goes_on(copy)
    assert tree(made) == before


def test_a_home_that_was_moved_goes_on(made: Path, tmp_path: Path) -> None:
    moved, away = tmp_path / "moved", made.with_name("away")
    shutil.copytree(made, moved, symlinks=True)
    made.rename(away)
    try:
        goes_on(moved)
        assert not made.exists()
    finally:
        away.rename(made)


def places(database: Path) -> set[str]:
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute(
            "SELECT artifact_location FROM experiments UNION SELECT artifact_uri FROM runs "
            "UNION SELECT artifact_location FROM logged_models "
            "UNION SELECT storage_location FROM model_versions"
        )
        return {
            place.partition("/mlflow/artifacts")[0] for (place,) in found if "mlruns" not in place
        }


def test_a_home_behind_a_link_and_one_under_another_path_stay(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    registry = home.open_registry(settings_in(tmp_path / "link"))
    assert registry.adapter(registry.version(2)) is not None
    database = tmp_path / "real" / "home" / "mlflow" / "mlflow.db"
    [real] = places(database)
    assert real == (tmp_path / "real" / "home").as_uri()
    before = tree(database.parent)
    follow_home(database, tmp_path / "link" / "home" / "mlflow" / "artifacts")
    assert tree(database.parent) == before


def test_experiments_that_lie_elsewhere_stay_there(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "copy")
    folder = tmp_path / "copy" / "home" / "mlflow"
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        columns = "(name, artifact_location, lifecycle_stage)"
        for place in ("s3://bucket/mlflow/artifacts", "file:///elsewhere/of/the/user"):
            given = (place, place, "active")
            connection.execute(f"INSERT INTO experiments {columns} VALUES (?, ?, ?)", given)
        connection.commit()
    follow_home(folder / "mlflow.db", folder / "artifacts")
    told = set(places(folder / "mlflow.db"))
    assert told == {
        (tmp_path / "copy" / "home").as_uri(),
        "s3://bucket",
        "file:///elsewhere/of/the/user",
    }


def test_a_database_that_cannot_be_changed_is_told(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(made, tmp_path / "copy")
    folder = tmp_path / "copy" / "home" / "mlflow"
    connect = sqlite3.connect

    def read_only(address: str, **given: object) -> sqlite3.Connection:
        """As on a disk that is read-only: rights alone do not stop a superuser."""
        return connect(address.replace("mode=rw", "mode=ro"), **given)  # type: ignore[call-overload]

    monkeypatch.setattr(sqlite3, "connect", read_only)
    with pytest.raises(RegistryUnavailable, match="where this home was before"):
        follow_home(folder / "mlflow.db", folder / "artifacts")


def test_a_home_in_the_settings_lies_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop").mkdir()
    file = tmp_path / "shop" / "adloom.toml"
    file.write_text('home = "data"\n')
    assert load_settings(file).home == tmp_path / "shop" / "data"
    file.write_text('home = "/srv/adloom"\n')
    assert load_settings(file).home == Path("/srv/adloom")
    monkeypatch.setenv("ADLOOM_HOME", "here")
    assert load_settings(file).home == Path("here")


def test_the_demos_settings_name_its_home_wherever_they_lie(tmp_path: Path) -> None:
    folder = tmp_path / "a \u201cdemo\u201d"
    folder.mkdir()
    settings = demo_settings(load_settings(home=folder / "home"), datetime.now(UTC))
    write_settings(settings, folder / "adloom.toml")
    folder.rename(tmp_path / "moved")
    assert load_settings(tmp_path / "moved" / "adloom.toml").home == tmp_path / "moved" / "home"


@pytest.mark.parametrize("name", ["100%", "what?", "no#1"])
def test_a_home_that_no_address_can_name_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / name)
    for folder in (tmp_path / name / "home", tmp_path / "link"):
        with pytest.raises(SettingsError, match=r"home: .*choose another folder"):
            load_settings(home=folder)
