"""A real MLflow server that asks for logins: well, away, refusing, and without its files."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

import pytest

from adloom.loop import home
from adloom.loop.doctor.finding import Finding
from adloom.loop.settings import Settings
from tests.loop.doctor.looks import looked, settings_of, tree
from tests.mlflow_server import READER, UNKNOWN, WRITER, MlflowServer, User, logged_in
from tests.tcp_gate import State


@pytest.fixture
def shop(tmp_path: Path, guarded_mlflow: MlflowServer) -> Settings:
    """Settings with a model and an experiment that nobody else has."""
    name = uuid.uuid4().hex
    mlflow = {"tracking_uri": guarded_mlflow.uri, "model_name": name, "experiment": name}
    return settings_of(tmp_path / "home", mlflow=mlflow)


def told(settings: Settings, user: User | None, **given: float) -> Finding:
    with logged_in(user):
        return looked(settings, "mlflow", **given)["mlflow"]


def test_it_is_told_what_serves_and_who_may_write(shop: Settings, tmp_path: Path) -> None:
    assert "no version of" in told(shop, WRITER).looked_at
    assert tree(tmp_path) == {}  # looking registers nothing
    with logged_in(WRITER):
        home.open_registry(shop).register_base({"base": None})
    finding = told(shop, WRITER)
    assert (finding.state, finding.told) == ("well", "")
    assert "@champion is 1" in finding.looked_at
    finding = told(shop, READER)
    assert finding.state in ("well", "note")  # older servers do not tell rights
    assert "@champion is 1" in finding.looked_at


@pytest.mark.parametrize("user", [UNKNOWN, None])
def test_a_login_that_is_refused(shop: Settings, user: User | None) -> None:
    finding = told(shop, user)
    assert finding.state == "wrong"
    assert "MLFLOW_TRACKING_USERNAME" in finding.told
    assert UNKNOWN.password not in finding.told


@pytest.mark.parametrize("state", ["refuse", "drop", "hang", "fail", "cut", "trickle"])
def test_one_that_is_away(shop: Settings, guarded_mlflow: MlflowServer, state: State) -> None:
    with guarded_mlflow.gate.being(state):
        finding = told(shop, WRITER, seconds=10.0)  # as adloom doctor
    assert finding.state == "wrong"
    assert "mlflow.tracking_uri" in finding.told


def test_a_champion_whose_files_are_gone(
    shop: Settings, guarded_mlflow: MlflowServer, tmp_path: Path
) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    with logged_in(WRITER):
        registry = home.open_registry(shop)
        run = registry.runs.start("round", params={}, tags={})
        registry.runs.log_dict(run, {}, "data.json")
        made = registry.register(run, adapter=adapter, model_config={}, tags={})
        registry.promote(made.number)
    assert told(shop, WRITER).state == "well"
    [files] = guarded_mlflow.artifacts.rglob(run)
    shutil.rmtree(files)
    finding = told(shop, WRITER)
    assert finding.state == "wrong"
    assert "which is @champion, cannot be listed" in finding.told
