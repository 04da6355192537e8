"""Versions are listed as MLflow's client has them, without it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from adloom.loop import home
from adloom.loop.learning import listing
from adloom.loop.learning.cards.details import details
from adloom.loop.learning.listing import listed
from adloom.loop.learning.registry import CHAMPION, AdRegistry
from adloom.loop.settings import Settings
from tests.damage import Damage, a_text, emptied, halved, in_the_middle
from tests.loop.learning.judged_version import judged_version, judgement
from tests.loop_parts import (
    hand_made_registry,
    register_adapter,
    register_by_hand,
    tiny_settings,
)
from tests.mlflow_server import READER, UNKNOWN, WRITER, MlflowServer, logged_in

WITHOUT_MLFLOW = (
    "import sys\n"
    "from adloom.loop.commands.app import app\n"
    "try:\n    app()\nexcept SystemExit:\n    pass\n"
    "assert 'mlflow' not in sys.modules and 'pandas' not in sys.modules"
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return tiny_settings(tmp_path_factory.mktemp("listing"))


@pytest.fixture(scope="module")
def registry(settings: Settings) -> AdRegistry:
    """A file: three versions, of which the second is deleted and was challenger."""
    registry = hand_made_registry(settings)
    client, name = MlflowClient(registry.tracking_uri), settings.mlflow.model_name
    for _ in range(2):
        register_by_hand(settings, registry, None)
    client.set_model_version_tag(name, "3", "note", "[x] :x:")
    registry.set_challenger(2)
    client.delete_model_version(name, "2")
    return registry


@pytest.fixture(scope="module")
def on_server(tmp_path_factory: pytest.TempPathFactory, guarded_mlflow: MlflowServer) -> Settings:
    given = {"tracking_uri": guarded_mlflow.uri, "model_name": "listed", "experiment": "listed"}
    settings = tiny_settings(tmp_path_factory.mktemp("listing-server"), mlflow=given)
    with logged_in(WRITER):
        registry = home.registry_with_base(settings)
        register_adapter(settings, registry, "fresh")
    return settings


def test_a_file_is_listed_as_mlflow_has_it(settings: Settings, registry: AdRegistry) -> None:
    found = listed(registry.tracking_uri, settings.mlflow.model_name)
    assert found == registry.versions()
    assert found is not None
    assert [version.number for version in found] == [1, 3]
    assert found[0].aliases == (CHAMPION,)


@pytest.mark.parametrize("page", [1, 200])
def test_a_server_is_listed_as_mlflow_has_it(
    on_server: Settings, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_PAGE", page)
    with logged_in(READER):
        registry = home.open_registry(on_server)
        found = listed(registry.tracking_uri, "listed")
        assert found == registry.versions()
    assert found is not None
    assert len(found) == 2


def test_a_server_tells_what_its_versions_carry(on_server: Settings) -> None:
    with logged_in(WRITER):
        registry = home.open_registry(on_server)
        number = judged_version(registry, parent=1, clicks=12, model="listed")
    with logged_in(READER):
        told = details(home.open_registry(on_server), number)
    assert told.version.description.startswith("Round 2, from version 1: learned from 12 clicks")
    assert told.judgement == judgement()
    assert [(one.name, one.num_rows) for one in told.clicks] == [("training clicks", 12)]
    assert told.run is not None
    assert told.run.artifact_uri.startswith("mlflow-artifacts:")


def test_what_a_server_refuses_the_client_is_asked_for(on_server: Settings) -> None:
    with logged_in(UNKNOWN):
        assert listed(str(on_server.mlflow.tracking_uri), "listed") is None
    with logged_in(READER):
        assert listed(str(on_server.mlflow.tracking_uri), "nobody-registered-this") is None


@pytest.mark.parametrize("damage", [a_text, emptied, halved, in_the_middle])
def test_a_file_that_cannot_be_read_is_left_to_the_client(
    registry: AdRegistry, tmp_path: Path, damage: Damage
) -> None:
    file = tmp_path / "mlflow.db"
    with (
        closing(sqlite3.connect(registry.tracking_uri.removeprefix("sqlite:///"))) as whole,
        closing(sqlite3.connect(file)) as copy,
    ):
        whole.backup(copy)
    whole_list = listed(f"sqlite:///{file}", "adloom-ad-generator")
    damage(file)
    assert listed(f"sqlite:///{file}", "adloom-ad-generator") in (None, whole_list)


def test_what_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert listed(f"sqlite:///{tmp_path / 'mlflow.db'}", "adloom-ad-generator") is None
    assert listed("postgresql://127.0.0.1/mlflow", "adloom-ad-generator") is None
    assert not list(tmp_path.iterdir())


def test_the_command_loads_no_mlflow(settings: Settings, registry: AdRegistry) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_MLFLOW, "versions", "--json"],
        env={"ADLOOM_HOME": str(settings.home), "PATH": "", "PYTHONPATH": ":".join(sys.path)},
        cwd=settings.home,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert [row["version"] for row in json.loads(ended.stdout)] == [1, 3]
