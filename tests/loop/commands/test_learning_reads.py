"""Commands that only read write nothing, and repairs do not need what is broken."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner, Result

from adloom.loop import home
from adloom.loop.commands.app import app
from adloom.loop.learning.registry import AdRegistry
from adloom.loop.settings import load_settings

NAME = "adloom-ad-generator"
PLAN = '{"number": 1, "run_id": "%s", "parent": 7, "until": "2026-01-01T00:00:00Z"}'
HOLD = (
    "import pathlib, sys, time\n"
    "from adloom.loop.learning.rounds.turn import turn\n"
    "with turn(pathlib.Path(sys.argv[1])):\n"
    "    print('held', flush=True)\n"
    "    time.sleep(600)\n"
)


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"ADLOOM_HOME": str(folder)})


def content(folder: Path) -> dict[str, str]:
    """Every file by its hash."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> AdRegistry:
    """Version 2 was champion, and is deleted."""
    settings = load_settings(home=tmp_path_factory.mktemp("reads") / "home")
    registry = home.open_registry(settings)
    registry.track()
    client = MlflowClient(registry.tracking_uri)
    client.create_registered_model(NAME)
    for kind in ("none", "lora", "lora"):
        client.create_model_version(NAME, "file:///nowhere", tags={"adapter": kind})
    registry.promote(1)
    registry.promote(2)
    client.delete_model_version(NAME, "2")
    return registry


@pytest.fixture
def folder(registry: AdRegistry) -> Path:
    return Path(registry.tracking_uri.removeprefix("sqlite:///")).parents[1]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["versions"], 0),
        (["versions", "--json"], 0),
        (["rounds", "list"], 0),
        (["rounds", "list", "--json"], 0),
        (["rounds", "abandon"], 2),
        (["rollback"], 2),
        (["promote", "1"], 2),
    ],
)
def test_nothing_is_made_where_there_is_nothing(
    tmp_path: Path, arguments: list[str], status: int
) -> None:
    result = run(tmp_path / "home", *arguments)
    assert result.exit_code == status, result.output
    assert list(tmp_path.iterdir()) == []
    lines = result.stderr.strip().splitlines()
    assert len(lines) == (1 if status or arguments == ["versions"] else 0), result.stderr


@pytest.mark.parametrize("command", ["versions", "rounds list", "rollback"])
def test_a_database_of_ones_own_is_not_made_by_reading(tmp_path: Path, command: str) -> None:
    settings = tmp_path / "adloom.toml"
    uri = f"sqlite:///{tmp_path / 'new' / 'mlflow.db'}"
    settings.write_text(f"home = '{tmp_path / 'home'}'\nmlflow.tracking_uri = '{uri}'")
    CliRunner().invoke(app, ["--config", str(settings), *command.split()])
    assert list(tmp_path.iterdir()) == [settings]


def test_an_empty_registry_says_what_fills_it(tmp_path: Path) -> None:
    told = run(tmp_path, "versions")
    assert told.exit_code == 0
    assert "No version is registered yet: adloom serve" in told.stderr


def test_reading_a_registry_without_a_champion_changes_nothing_and_tells(folder: Path) -> None:
    before = content(folder)
    told = run(folder, "versions")
    assert told.exit_code == 0
    assert "No version is @champion" in told.stderr
    rows = json.loads(run(folder, "versions", "--json").stdout)
    assert [(row["version"], row["aliases"]) for row in rows] == [(1, []), (3, [])]
    assert json.loads(run(folder, "rounds", "list", "--json").stdout) == []
    assert content(folder) == before


def test_a_tag_is_printed_as_somebody_wrote_it(folder: Path, registry: AdRegistry) -> None:
    client = MlflowClient(registry.tracking_uri)
    client.set_model_version_tag("adloom-ad-generator", "1", "gate", "[/red]")
    told = run(folder, "versions")
    assert told.exit_code == 0
    assert "[/red]" in told.stdout


def test_without_a_champion_rollback_and_promote_mend_it(folder: Path) -> None:
    assert "Version 1 is @champion again" in run(folder, "rollback").stdout
    assert "Version 3 is @champion" in run(folder, "promote", "3").stdout
    assert "Version 1 is @champion again" in run(folder, "rollback").stdout


def test_a_round_is_listed_and_abandoned_by_hand(folder: Path, registry: AdRegistry) -> None:
    run_id = registry.runs.start("round 1", params={}, tags={})
    kept = folder / "rounds" / "round-0001"
    kept.mkdir(parents=True)
    (kept / "plan.json").write_text(PLAN % run_id)
    (row,) = json.loads(run(folder, "rounds", "list", "--json").stdout)
    assert (row["round"], row["state"], row["parent"]) == (1, "cut off", 7)
    assert run(folder, "rounds", "abandon", "2").exit_code == 2
    done = run(folder, "rounds", "abandon", "--reason", "its parent is gone")
    assert "Round 1 is abandoned" in done.stdout
    (row,) = json.loads(run(folder, "rounds", "list", "--json").stdout)
    assert (row["state"], row["reason"]) == ("abandoned", "its parent is gone")
    ended = MlflowClient(registry.tracking_uri).get_run(run_id)
    assert (ended.info.status, ended.data.tags["abandoned"]) == ("KILLED", "its parent is gone")
    assert run(folder, "rounds", "abandon", "1").exit_code == 2


@pytest.fixture
def held(tmp_path: Path) -> Iterator[int]:
    """A process that runs a round of the home; its id."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "rounds")],
        stdout=subprocess.PIPE,
        env=os.environ,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    yield holder.pid
    holder.kill()
    holder.wait()


def test_a_second_round_is_told_who_runs_the_first(tmp_path: Path, held: int) -> None:
    for arguments in (["train-round", "--force"], ["rounds", "abandon"]):
        result = run(tmp_path, *arguments)
        assert result.exit_code == 2
    told = run(tmp_path, "train-round", "--force").stderr.strip().splitlines()
    assert len(told) == 1
    assert f"a round is under way: process {held} on" in told[0]
    assert f"process {held}" in run(tmp_path, "rounds", "list").stdout
    assert [path.name for path in tmp_path.iterdir()] == ["rounds"]
