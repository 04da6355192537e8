"""Old versions lose their adapters, never one that somebody serves, names or may want back."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adloom.loop import home
from adloom.loop.commands.app import app
from adloom.loop.learning.emptied import BEGUN, TAG, EmptiedVersion, is_emptied
from adloom.loop.learning.emptying import empty_old
from adloom.loop.learning.registry import AdRegistry
from adloom.loop.settings import load_settings
from tests.mlflow_server import WRITER, MlflowServer, logged_in


@pytest.fixture
def registry(tmp_path: Path) -> AdRegistry:
    """Of a home: the base and versions 2 to 7, of which two keep their adapters."""
    return with_versions(tmp_path)


def with_versions(folder: Path, **mlflow: str) -> AdRegistry:
    settings = load_settings(home=folder / "home", mlflow={"keep": 2, **mlflow})
    registry = home.open_registry(settings)
    registry.register_base({"base": None})
    adapter = folder / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / "adapter_model.safetensors").write_bytes(b"weights")
    for _ in range(6):
        run = registry.runs.start("round", params={}, tags={})
        registry.register(run, adapter=adapter, model_config={}, tags={})
        registry.runs.end(run)
    return registry


def emptied(registry: AdRegistry) -> list[int]:
    return [version.number for version in registry.versions() if is_emptied(version)]


def test_the_newest_keep_theirs_and_the_others_lose_them_once(
    registry: AdRegistry, tmp_path: Path
) -> None:
    for version in registry.versions():
        registry.adapter(version)  # all are here too
    assert empty_old(registry, ()) == [2, 3, 4, 5]
    assert emptied(registry) == [2, 3, 4, 5]
    assert empty_old(registry, ()) == []
    mlflow = tmp_path / "home" / "mlflow"
    assert len(list((mlflow / "artifacts").rglob("adapter_model.safetensors"))) == 2
    assert len(list((mlflow / "adapters").glob("*/adapter_model.safetensors"))) == 2
    for number in (6, 7):
        folder = registry.adapter(registry.version(number))
        assert folder is not None
        assert (folder / "adapter_model.safetensors").read_bytes() == b"weights"


def alias(registry: AdRegistry) -> set[int]:
    registry.set_challenger(3)
    return {3}


def champions(registry: AdRegistry) -> set[int]:
    """The one that serves, and the one that a rollback brings back."""
    for number in (2, 4, 5):
        registry.promote(number)
    return {4, 5}


def served_last(registry: AdRegistry) -> set[int]:
    assert registry._last_served is not None
    registry._last_served.write({2: registry.version(2)})
    return {2}


@pytest.mark.parametrize("needing", [alias, champions, served_last])
def test_those_that_are_needed_keep_theirs(
    registry: AdRegistry, needing: Callable[[AdRegistry], set[int]]
) -> None:
    needed = needing(registry)
    empty_old(registry, ())
    assert set(emptied(registry)) == {2, 3, 4, 5} - needed
    for number in needed:
        assert registry.adapter(registry.version(number)) is not None


def test_those_that_experiments_name_keep_theirs(registry: AdRegistry, tmp_path: Path) -> None:
    arms = {"now": {}, "old": {"version": 3}, "new": {"version": "@challenger"}}
    started = {"start": datetime(2026, 1, 2, tzinfo=UTC), "arms": arms}
    settings = load_settings(home=tmp_path / "home", experiments={"words": started})
    empty_old(registry, home.needed_versions(settings))
    assert emptied(registry) == [2, 4, 5]


def test_one_that_lost_its_adapter_is_refused_in_words(
    registry: AdRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.promote(2)
    registry.promote(6)
    registry.promote(7)
    empty_old(registry, ())
    assert emptied(registry) == [2, 3, 4, 5]
    with pytest.raises(EmptiedVersion, match=r"version 3 has no adapter any more.*mlflow\.keep"):
        registry.adapter(registry.version(3))
    with pytest.raises(EmptiedVersion, match="adloom promote N"):
        registry.promote(3)
    assert registry.champion().number == 7
    assert registry.rollback().number == 6
    with pytest.raises(EmptiedVersion, match="version 2 has no adapter"):
        registry.rollback()
    assert registry.champion().number == 6
    monkeypatch.chdir(tmp_path)
    env = {"ADLOOM_HOME": str(tmp_path / "home"), "COLUMNS": "200"}
    for words in (
        ["promote", "4"],
        ["rollback"],
        ["adapter", "merge", "--version", "4", "--out", "b"],
    ):
        result = CliRunner().invoke(app, words, env=env)
        assert result.exit_code == 2, result.output
        *_, line = result.stderr.splitlines()  # one before may tell of the home's rights
        assert "has no adapter any more" in line
    listed = CliRunner().invoke(app, ["versions"], env=env).stdout.splitlines()
    assert [line.split()[-1] for line in listed[1:]] == ["base", *["removed"] * 4, "kept", "kept"]


def test_one_that_was_emptied_by_halves_is_finished(registry: AdRegistry, tmp_path: Path) -> None:
    registry.model.tag_version(2, TAG, BEGUN)  # the process was killed then
    with pytest.raises(EmptiedVersion):
        registry.adapter(registry.version(2))
    assert empty_old(registry, (3, 4, 5)) == [2]
    left = (tmp_path / "home" / "mlflow" / "artifacts").rglob("adapter_model.safetensors")
    assert len(list(left)) == 5


def test_one_that_is_named_while_it_is_emptied_keeps_its_adapter(
    registry: AdRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = registry.model.tag_version

    def and_somebody_names_it(number: int, key: str, value: str) -> None:
        tag(number, key, value)
        if number == 3 and value == BEGUN:
            registry.model.set_alias("challenger", 3)

    monkeypatch.setattr(registry.model, "tag_version", and_somebody_names_it)
    assert empty_old(registry, ()) == [2, 4, 5]
    assert registry.adapter(registry.version(3)) is not None


def test_on_a_server_its_files_go_too(guarded_mlflow: MlflowServer, tmp_path: Path) -> None:
    name = uuid.uuid4().hex
    with logged_in(WRITER):
        at = {"tracking_uri": guarded_mlflow.uri, "model_name": name, "experiment": name}
        registry = with_versions(tmp_path, **at)
        logged = registry._client.get_experiment_by_name(name)
        assert logged is not None
        folder = guarded_mlflow.artifacts / logged.experiment_id
        assert len(list(folder.rglob("adapter_model.safetensors"))) == 6
        assert empty_old(registry, ()) == [2, 3, 4, 5]
        assert len(list(folder.rglob("adapter_model.safetensors"))) == 2
        assert registry.adapter(registry.version(7)) is not None
