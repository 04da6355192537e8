"""Commands that ask MLflow, while it is away or says no: one line, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adloom.loop import home
from adloom.loop.commands.app import app
from adloom.loop.settings import Settings
from tests.loop_parts import register_adapter, tiny_settings
from tests.mlflow_server import READER, UNKNOWN, WRITER, MlflowServer, User, logged_in
from tests.tcp_gate import State

_ASKING = (["versions"], ["promote", "1"], ["rollback"], ["train-round"])


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, guarded_mlflow: MlflowServer) -> Settings:
    """The base model and an adapter, registered by who may write."""
    folder = tmp_path_factory.mktemp("registry-away")
    given = {"tracking_uri": guarded_mlflow.uri, "model_name": "away", "experiment": "away"}
    settings = tiny_settings(folder, mlflow=given)
    with logged_in(WRITER):
        register_adapter(settings, home.registry_with_base(settings), "fresh")
    return settings


@pytest.fixture(autouse=True)
def _in_the_environment(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADLOOM_HOME", str(settings.home))
    monkeypatch.setenv("ADLOOM_GENERATOR__PATH", str(settings.generator.path))
    for name in ("tracking_uri", "model_name", "experiment"):
        monkeypatch.setenv(f"ADLOOM_MLFLOW__{name.upper()}", getattr(settings.mlflow, name))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def run(arguments: list[str]) -> Result:
    return CliRunner().invoke(app, arguments)


def refusal(result: Result) -> str:
    """The one line that a command ended with."""
    assert result.exit_code == 2, (result.output, result.exception)
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert [line.startswith("Error: ") for line in lines].count(True) == 1, result.stderr
    assert "Traceback" not in result.output
    return lines[-1]


@pytest.mark.parametrize("arguments", _ASKING, ids=lambda arguments: arguments[0])
@pytest.mark.parametrize("user", [None, UNKNOWN], ids=["no login", "a wrong one"])
def test_without_a_login_every_command_says_which_variables(
    arguments: list[str], user: User | None
) -> None:
    with logged_in(user):
        told = refusal(run(arguments))
    assert "401" in told
    assert "MLFLOW_TRACKING_USERNAME" in told


@pytest.mark.parametrize("arguments", _ASKING, ids=lambda arguments: arguments[0])
@pytest.mark.parametrize("state", ["refuse", "hang", "fail"])
@pytest.mark.usefixtures("impatient")
def test_every_command_says_that_mlflow_is_away(
    arguments: list[str], state: State, guarded_mlflow: MlflowServer
) -> None:
    with logged_in(WRITER), guarded_mlflow.gate.being(state):
        told = refusal(run(arguments))
    assert f"MLflow at {guarded_mlflow.uri}" in told
    assert "mlflow.tracking_uri" in told


@pytest.mark.usefixtures("impatient")
def test_the_demo_says_that_mlflow_is_away(guarded_mlflow: MlflowServer, tmp_path: Path) -> None:
    with logged_in(WRITER), guarded_mlflow.gate.being("refuse"):
        result = run(["demo", "--out", str(tmp_path / "demo")])
    assert "the connection is refused" in refusal(result)


def test_who_may_only_read_lists_versions_and_moves_nothing() -> None:
    with logged_in(READER):
        listed = run(["versions"])
        assert listed.exit_code == 0, listed.output
        assert "@champion" in listed.stdout
        promoted = refusal(run(["promote", "2"]))
        assert "403" in promoted
        assert "right" in promoted
    with logged_in(WRITER):
        assert "Version 2 is @champion" in run(["promote", "2"]).stdout
    with logged_in(READER):
        assert "403" in refusal(run(["rollback"]))
    with logged_in(WRITER):
        assert "Version 1 is @champion" in run(["rollback"]).stdout
