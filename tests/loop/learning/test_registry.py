"""Versions and aliases in a real MLflow registry on SQLite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from PIL import Image

from adloom.loop.learning.own_mlflow import own_database, own_uri
from adloom.loop.learning.pyfunc_model import SIGNATURE
from adloom.loop.learning.registry import CHALLENGER, CHAMPION, AdRegistry, UnknownVersion, Version
from adloom.loop.learning.registry_errors import RegistryRefused
from adloom.loop.settings.learning import MlflowSettings
from adloom.models.ad_generator import AdGenerator
from tests.own_tracking import with_tables

NOWHERE = {"base": "/nowhere", "sampling": {}, "example_product": "running-shoes"}


@pytest.fixture
def registry(tmp_path: Path) -> AdRegistry:
    return AdRegistry(MlflowSettings(), with_tables(tmp_path / "mlflow"))


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    folder = tmp_path / "some-round" / "weights"
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    return folder


def register(registry: AdRegistry, adapter: Path, **tags: str) -> int:
    run = registry.runs.start("round", params={}, tags={})
    version = registry.register(run, adapter=adapter, model_config=NOWHERE, tags=tags)
    registry.runs.end(run)
    return version.number


def test_the_base_is_version_one_and_champion_however_often_started(registry: AdRegistry) -> None:
    registry.register_base(NOWHERE)
    registry.register_base(NOWHERE)
    (base,) = registry.versions()
    assert (base.number, base.aliases) == (1, (CHAMPION,))
    assert registry.champion() == base
    assert registry.adapter(base) is None


def test_machines_that_start_together_register_one_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shared = MlflowSettings(tracking_uri=own_uri(with_tables(tmp_path / "shared")))
    one, other = (AdRegistry(shared, tmp_path / name) for name in ("one", "other"))
    register = one.register

    def while_the_other_does(*given: Any, **named: Any) -> Version:
        other.register_base(NOWHERE)
        return register(*given, **named)

    monkeypatch.setattr(one, "register", while_the_other_does)
    for registry in (one, other):
        registry.register_base(NOWHERE)
        (base,) = registry.versions()
        assert (base.number, base.aliases) == (1, (CHAMPION,))


def test_a_registry_without_a_champion_says_so(registry: AdRegistry) -> None:
    with pytest.raises(UnknownVersion, match="no version of 'adloom-ad-generator' is @champion"):
        registry.champion()


def test_a_version_keeps_its_lineage_and_its_adapter(registry: AdRegistry, adapter: Path) -> None:
    registry.register_base(NOWHERE)
    number = register(registry, adapter, parent="1", gate="passed")
    version = registry.version(number)
    assert version.tags["parent"] == "1"
    assert version.tags["gate"] == "passed"
    fetched = registry.adapter(version)
    assert fetched is not None
    assert (fetched / "adapter_model.safetensors").read_bytes() == b"weights"
    assert registry.adapter(version) == fetched


def test_no_weights_are_pickled(registry: AdRegistry, adapter: Path, tmp_path: Path) -> None:
    register(registry, adapter)
    names = [path.name for path in (tmp_path / "mlflow" / "artifacts").rglob("*")]
    assert "pyfunc_model.py" in names
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".pt", ".bin"))]


def test_registering_loads_no_second_base_and_keeps_an_example_of_a_request(
    registry: AdRegistry, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[object] = []
    monkeypatch.setattr(AdGenerator, "from_pretrained", loaded.append)
    register(registry, adapter)
    assert not loaded
    [example] = (tmp_path / "mlflow" / "artifacts").rglob("example.json")
    columns = json.loads(example.read_text())["dataframe_split"]["columns"]
    assert set(columns) <= {column.name for column in SIGNATURE.inputs}


def test_a_run_registers_one_version_however_often_asked(
    registry: AdRegistry, adapter: Path
) -> None:
    run = registry.runs.start("round", params={}, tags={})
    first = registry.register(run, adapter=adapter, model_config=NOWHERE, tags={})
    again = registry.register(run, adapter=adapter, model_config=NOWHERE, tags={})
    assert first.number == again.number
    assert len(registry.versions()) == 1


def test_promotion_moves_the_alias_and_rollback_moves_it_back(
    registry: AdRegistry, adapter: Path
) -> None:
    registry.register_base(NOWHERE)
    second, third = register(registry, adapter), register(registry, adapter)
    registry.set_challenger(second)
    assert registry.version(second).aliases == (CHALLENGER,)
    assert registry.promote(second).aliases == (CHAMPION,)
    assert registry.by_alias(CHALLENGER) is None
    registry.promote(third)
    assert registry.rollback().number == second
    assert registry.rollback().number == 1
    assert registry.champion().number == 1
    with pytest.raises(UnknownVersion, match="no earlier champion"):
        registry.rollback()


def test_an_alias_moved_by_another_mlflow_client_counts(
    registry: AdRegistry, adapter: Path
) -> None:
    registry.register_base(NOWHERE)
    second, third = register(registry, adapter), register(registry, adapter)
    MlflowClient(registry.tracking_uri).set_registered_model_alias(
        "adloom-ad-generator", CHAMPION, str(second)
    )
    assert registry.champion().number == second
    registry.promote(third)
    assert registry.rollback().number == second


def test_rolling_back_skips_a_deleted_version(registry: AdRegistry, adapter: Path) -> None:
    registry.register_base(NOWHERE)
    second, third = register(registry, adapter), register(registry, adapter)
    registry.promote(second)
    registry.promote(third)
    MlflowClient(registry.tracking_uri).delete_model_version("adloom-ad-generator", str(second))
    assert registry.rollback().number == 1


def test_an_unknown_version_is_named_with_those_there_are(registry: AdRegistry) -> None:
    registry.register_base(NOWHERE)
    with pytest.raises(UnknownVersion, match=r"no version 9 .*registered: 1"):
        registry.promote(9)


def test_a_run_keeps_losses_by_step_and_pictures(registry: AdRegistry) -> None:
    run = registry.runs.start("round-1", params={"steps": 3}, tags={"round": "1"})
    registry.runs.log_series(run, "loss", dict(enumerate([3.0, 2.0, 1.5])))
    registry.runs.log_metrics(run, {"heldout_before": 3.0})
    registry.runs.log_picture(run, Image.new("RGB", (8, 8)), "samples/ad.png")
    registry.runs.end(run)
    client = MlflowClient(registry.tracking_uri)
    assert [m.value for m in client.get_metric_history(run, "loss")] == [3.0, 2.0, 1.5]
    assert [a.path for a in client.list_artifacts(run, "samples")] == ["samples/ad.png"]
    assert client.get_run(run).data.params["steps"] == "3"


def test_what_is_logged_again_is_there_once(registry: AdRegistry) -> None:
    run = registry.runs.start("round-1", params={}, tags={})
    registry.runs.log_series(run, "loss", {1: 3.0})
    for _ in range(2):
        registry.runs.log_series(run, "loss", {1: 3.0, 2: 2.0})
        registry.runs.log_metrics(run, {"heldout_before": 3.0})
    client = MlflowClient(registry.tracking_uri)
    assert [m.step for m in client.get_metric_history(run, "loss")] == [1, 2]
    assert len(client.get_metric_history(run, "heldout_before")) == 1


def test_an_experiment_that_is_deleted_is_told_with_how_it_comes_back(tmp_path: Path) -> None:
    registry = AdRegistry(MlflowSettings(), with_tables(tmp_path / "mlflow"))
    registry.runs.start("round-1", params={}, tags={})
    client = MlflowClient(registry.tracking_uri)
    found = client.get_experiment_by_name("adloom")
    assert found is not None
    client.delete_experiment(found.experiment_id)
    again = AdRegistry(MlflowSettings(), with_tables(tmp_path / "mlflow"))
    with pytest.raises(RegistryRefused, match=r"restore it \(mlflow experiments restore"):
        again.runs.start("round-2", params={}, tags={})


def test_a_start_that_was_ended_leaves_no_half_made_database(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db.partial").write_bytes(b"what a killed process left")
    uri = own_database(tmp_path)
    assert uri == f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert not (tmp_path / "mlflow.db.partial").exists()
    assert len(MlflowClient(uri).search_experiments()) == 1
    before = (tmp_path / "mlflow.db").stat().st_mtime_ns
    assert own_database(tmp_path) == uri
    assert (tmp_path / "mlflow.db").stat().st_mtime_ns == before
