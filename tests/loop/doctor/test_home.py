"""What lies under a home: not there yet, whole, damaged, of another release; looking leaves it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from adloom.loop import home
from adloom.loop.commands.app import app
from adloom.loop.database.opening import open_database
from adloom.loop.database.revision import REVISION
from adloom.loop.doctor import packages
from adloom.loop.settings import load_settings
from adloom.loop.settings.learning import MlflowSettings
from tests.loop.doctor.looks import looked, settings_of, tree
from tests.sample_events import logged


def call(folder: Path, *words: str, **env: str) -> Result:
    given = {"ADLOOM_HOME": str(folder), **env}
    return CliRunner().invoke(app, ["doctor", *words], env=given)


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """A home with a database, features, a log and a registry in it."""
    folder = tmp_path / "home"
    settings = settings_of(folder)
    open_database(folder).dispose()
    with home.open_features(settings) as features:
        features.log.append([logged(0)])
    home.open_registry(settings)._client.search_experiments()
    return folder


def test_nothing_is_there_yet_and_nothing_is_made(tmp_path: Path) -> None:
    result = call(tmp_path / "home", "--json")
    told = json.loads(result.stdout)
    assert result.exit_code == 0, told
    assert told["well"]
    assert {"packages", "home", "broker", "log", "database", "mlflow", "base"} <= {
        part["part"] for part in told["parts"]
    }
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_is_used_is_well_and_stays_to_the_byte(used: Path) -> None:
    before = tree(used)
    found = looked(settings_of(used))
    assert {finding.state for finding in found.values()} == {"well"}, found
    assert f"revision {REVISION}" in found["database"].looked_at
    assert "1 records from" in found["log"].looked_at
    assert "whole" in found["online store"].looked_at
    assert tree(used) == before


@pytest.mark.parametrize(
    ("file", "part", "remedy"),
    [
        ("adloom.db", "database", "adloom catalog import"),
        ("features/online.db", "online store", "adloom backfill"),
        ("mlflow/mlflow.db", "mlflow", "put a copy back"),
    ],
)
def test_a_damaged_file_is_told_with_what_to_do(
    used: Path, file: str, part: str, remedy: str
) -> None:
    (used / file).write_bytes(b"no database" * 1000)
    before = tree(used)
    found = looked(settings_of(used))
    assert found[part].state == "wrong"
    assert f"{file} is damaged" in found[part].told
    assert remedy.removeprefix("adloom ") in found[part].told
    assert [name for name, finding in found.items() if finding.state == "wrong"] == [part]
    assert tree(used) == before


def test_damage_deep_in_a_file_is_found(used: Path) -> None:
    with sqlite3.connect(used / "adloom.db") as database:
        database.execute("CREATE TABLE filled (text TEXT)")
        database.executemany("INSERT INTO filled VALUES (?)", [("x" * 500,)] * 2_000)
    database.close()
    content = bytearray((used / "adloom.db").read_bytes())
    content[-40_000:-20_000] = b"\xff" * 20_000
    (used / "adloom.db").write_bytes(content)
    assert "is damaged" in looked(settings_of(used), "database")["database"].told


@pytest.mark.parametrize(
    ("revision", "do"), [("0001", "adloom migrate"), ("9999", "install the newer adloom")]
)
def test_a_database_of_another_release(used: Path, revision: str, do: str) -> None:
    with sqlite3.connect(used / "adloom.db") as database:
        database.execute("UPDATE adloom_revision SET version_num = ?", (revision,))
    database.close()
    finding = looked(settings_of(used), "database")["database"]
    assert finding.state == "wrong"
    assert f"revision {revision}" in finding.told
    assert do in finding.told


def test_what_is_not_taken_over_yet(used: Path) -> None:
    (used / "catalogue").mkdir(exist_ok=True)
    (used / "catalogue" / "catalogue.db").write_bytes(b"")
    (used / "features" / "log").mkdir()
    (used / "features" / "log" / "0.parquet").write_bytes(b"")
    found = looked(settings_of(used))
    for part in ("database", "log"):
        assert found[part].state == "wrong"
        assert "adloom migrate" in found[part].told


def test_a_damaged_log_is_told(used: Path) -> None:
    for entry in (used / "features" / "events" / "_delta_log").glob("*.json"):
        entry.write_text("no JSON")
    finding = looked(settings_of(used), "log")["log"]
    assert finding.state == "wrong"
    assert "the event log" in finding.told


def test_a_home_that_is_open_to_others_is_noted_and_not_changed(used: Path) -> None:
    used.chmod(0o755)
    result = call(used, "--json")
    [finding] = [part for part in json.loads(result.stdout)["parts"] if part["part"] == "home"]
    assert finding["state"] == "note"
    assert f"chmod -R go= {used}" in finding["told"]
    assert used.stat().st_mode & 0o777 == 0o755
    assert result.exit_code == 0


def test_links_and_files_in_the_place_of_the_home(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    for name, told in (("file", "is a file, no folder"), ("link", "is a link to nothing")):
        finding = looked(settings_of(tmp_path / name), "home")["home"]
        assert finding.state == "wrong"
        assert told in finding.told


def test_a_base_and_pictures_that_are_not_there(tmp_path: Path) -> None:
    result = call(
        tmp_path / "home",
        ADLOOM_GENERATOR__PATH=str(tmp_path / "base"),
        ADLOOM_PICTURES__URL=str(tmp_path / "mount"),
    )
    assert result.exit_code == 1
    assert "holds no ad generator" in result.stdout
    assert "mount is not there: mount it" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_secrets_in_files_that_others_can_read_are_noted(tmp_path: Path) -> None:
    key, file = tmp_path / "key.pem", tmp_path / "adloom.toml"
    key.write_text("key")
    file.write_text(
        f'home = "home"\n[serve]\napi_keys = ["a-key-of-16-or-more"]\n'
        'forget_keys = ["and-another-of-16"]\npublishable_keys = ["one-for-all-to-read"]\n[kafka]\n'
        f'ssl_keyfile = "{key}"\n[database]\nurl = "postgresql://a@127.0.0.1:9/shop"\n'
        'password = "never-told"\n[features]\nonline = "redis"\n'
        'redis_url = "127.0.0.1:9,password=never-told"\n'
    )
    for path in (key, file):
        path.chmod(0o644)
    finding = looked(load_settings(file), "secrets")["secrets"]
    assert finding.state == "note"
    for told in (
        f"database.password is in {file}: keep it in the environment, ADLOOM_DATABASE__PASSWORD",
        "ADLOOM_SERVE__API_KEYS",
        "ADLOOM_SERVE__FORGET_KEYS",
        "ADLOOM_FEATURES__REDIS_URL",
        f"chmod 600 {file}",
        f"chmod 600 {key}",
    ):
        assert told in finding.told
    assert "never-told" not in finding.told
    assert "PUBLISHABLE" not in finding.told
    key.unlink()
    finding = looked(load_settings(file), "secrets")["secrets"]
    assert finding.state == "wrong"
    assert f"kafka.ssl_keyfile: there is no file {key}" in finding.told


def test_versions_of_another_base_than_the_one_that_draws_are_noted(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "home")
    home.open_registry(settings).register_base({"base": None}, base="/models/mine", base_name="ab")
    finding = looked(settings, "mlflow")["mlflow"]
    assert finding.state == "note"
    assert "the versions are of /models/mine" in finding.told


def test_packages_that_are_missing_or_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the distribution asks for is changed; what is installed is real."""
    monkeypatch.setattr(
        packages,
        "requires",
        lambda name: [
            "numpy>=999",
            "typer",
            'no-such-package-of-adloom; extra == "postgres"',
            'neither-this; extra == "ray"',
        ],
    )
    asked = {"url": "postgresql://adloom@127.0.0.1:9/shop"}
    finding = looked(settings_of(tmp_path, database=asked), "packages")["packages"]
    assert finding.state == "wrong"
    assert "numpy >=999, and" in finding.told
    assert "database.url needs no-such-package-of-adloom" in finding.told
    assert "pip install --upgrade 'adloom[postgres]'" in finding.told
    assert "neither-this" not in finding.told


def test_versions_without_a_champion_are_noted(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "home")
    registry = home.open_registry(settings)
    registry.register_base({"base": None})
    name = MlflowSettings().model_name
    found = looked(settings, "mlflow")["mlflow"]
    assert found.state == "well"
    assert f"1 version of {name}, @champion is 1" in found.looked_at
    registry._client.delete_registered_model_alias(name, "champion")
    found = looked(settings, "mlflow")["mlflow"]
    assert found.state == "note"
    assert "adloom promote" in found.told


def test_an_online_store_that_somebody_has_open_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "features"
    with FeatureStore.open(FeatureStoreSettings(), folder):
        before = tree(folder)
        found = looked(settings_of(tmp_path / "home"), "online store")["online store"]
        assert found.state == "well"
        assert "whole" in found.looked_at
        assert tree(folder) == before
