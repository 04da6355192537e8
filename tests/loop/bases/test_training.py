"""`adloom base train`: refused before it begins, ended in the middle, logged, and served."""

from __future__ import annotations

import json
import os
import resource
import shutil
import time
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
from accelerate import Accelerator
from mlflow import MlflowClient
from typer.testing import CliRunner

from adloom.loop import home
from adloom.loop.bases.training.order import CannotTrain, TrainingOrder, is_finished
from adloom.loop.bases.training.processes import share_out_by_layer
from adloom.loop.bases.training.run import Telling, run_training
from adloom.loop.bases.training.tracked import TrackedTraining
from adloom.loop.commands.app import app
from adloom.loop.learning.registry_errors import RegistryUnavailable
from adloom.loop.learning.runs import Runs
from adloom.loop.settings import load_settings
from adloom.models.ad_generator import AdGenerator
from adloom.models.datasets.shards import BadShards, Manifest
from adloom.models.training.base.plan import BasePlan
from adloom.models.training.checkpoint import saved_step
from adloom.models.training.learning_curve import LearningCurve
from tests.adloom_process import AdloomProcess
from tests.models.base_training import PLAN, clicked_shards
from tests.tiny_model import tiny_generator

SIX = PLAN.model_copy(update={"steps": 6, "batch": 1})
OPTIONS = ["--stage", "personal", "--steps", "6", "--batch", "1", "--precision", "float32"]
OPTIONS += ["--checkpoint-every", "1", "--evaluate-every", "2", "--heldout", "2", "--samples", "0"]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base and a data set that was encoded with it."""
    folder = tmp_path_factory.mktemp("given")
    generator = tiny_generator()
    generator.model.save_pretrained(folder / "base")
    clicked_shards(folder / "data", generator)
    return folder


def away() -> Runs:
    raise RegistryUnavailable("MLflow at http://away is away")


def trained(
    given: Path, out: Path, plan: BasePlan = SIX, runs: Callable[[], Runs] = away
) -> tuple[list[float], list[str]]:
    """Losses, and what was said."""
    said: list[str] = []
    order = TrainingOrder.of(given / "base", given / "data", plan, 1)
    telling = Telling(said.append, lambda step, loss: None)
    return run_training(order, out, Accelerator(cpu=True), runs, telling).losses, said


def test_killed_and_run_again_it_comes_to_the_losses_of_an_unbroken_run(
    given: Path, tmp_path: Path
) -> None:
    unbroken, said = trained(given, tmp_path / "unbroken")
    assert sum("MLflow at http://away is away" in line for line in said) == 1
    run = tmp_path / "run"
    command = ["base", "train", "--data", "data", "--base", "base", "--out", str(run), *OPTIONS]
    environment = os.environ | {"ADLOOM_HOME": str(tmp_path / "home")}
    process = AdloomProcess(*command, folder=given, environment=environment)
    losses = run / "training" / "losses.json"
    while not losses.exists() or len(json.loads(losses.read_text())["losses"]) < 2:
        assert process.runs, process.ended()
        time.sleep(0.02)
    process.kill()
    assert not is_finished(run)
    step = saved_step(run / "training" / "state.safetensors")
    again, said = trained(given, run)
    assert step == 0 or f"Going on from step {step}" in said
    assert again == pytest.approx(unbroken, rel=1e-5)
    one, other = (AdGenerator.from_pretrained(out, "cpu") for out in (run, tmp_path / "unbroken"))
    assert one.base_name == other.base_name
    assert trained(given, run)[0] == again  # what is finished stays


def test_a_full_disk_is_told_and_the_same_command_goes_on_once_there_is_room(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--data", str(given / "data"), "--base", str(given / "base"), *OPTIONS]
    command = ["base", "train", *options, "--out", str(tmp_path / "run")]
    home = {"ADLOOM_HOME": str(tmp_path / "home")}
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 1_000_000))
        refused = CliRunner().invoke(app, command, env=home)
    assert (refused.exit_code, "GiB free: make room" in refused.output) == (2, True)
    assert not (tmp_path / "run").exists()
    state = tmp_path / "run" / "training" / "state.safetensors"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, before[1]))
    try:
        full = CliRunner().invoke(app, command, env=home)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert full.exit_code == 2, full.exception
    assert full.stderr.splitlines()[-1].endswith("mend this, and start the command again")
    assert not is_finished(tmp_path / "run")
    assert not state.exists()
    again = CliRunner().invoke(app, command, env=home)
    assert again.exit_code == 0, again.output
    assert is_finished(tmp_path / "run")


def test_mlflow_has_losses_and_pictures_as_they_come(given: Path, tmp_path: Path) -> None:
    registry = home.open_registry(load_settings(home=tmp_path / "home"))
    plan = SIX.model_copy(update={"steps": 2, "samples": 2})
    losses, _ = trained(given, tmp_path / "run", plan, lambda: registry.runs)
    client = MlflowClient(registry.tracking_uri)
    (experiment,) = [e for e in client.search_experiments() if e.name == "adloom"]
    (run,) = client.search_runs([experiment.experiment_id])
    series = client.get_metric_history(run.info.run_id, "loss")
    assert [point.value for point in sorted(series, key=lambda p: p.step)] == losses
    assert len(client.get_metric_history(run.info.run_id, "heldout_loss")) == 1
    files = [file.path for file in client.list_artifacts(run.info.run_id, "samples")]
    assert files == ["samples/step-000002.json", "samples/step-000002.png"]
    assert run.data.params["stage"] == "personal"
    assert run.info.status == "FINISHED"


def test_a_run_that_mlflow_does_not_have_is_replaced_and_has_all_so_far(tmp_path: Path) -> None:
    registry = home.open_registry(load_settings(home=tmp_path / "home"))
    client, said = MlflowClient(registry.tracking_uri), list[str]()
    deleted = registry.runs.start("base-train", params={}, tags={})
    client.delete_run(deleted)
    for gone in ("0" * 32, deleted):
        (tmp_path / "mlflow_run").write_text(gone)
        tracked = TrackedTraining(lambda: registry.runs, tmp_path, {}, 0, said.append)
        tracked.go_on(LearningCurve(losses=[3.0, 2.0], heldout=[(2, 2.5)]))
        tracked.on_step(3, 1.0)
        run = str(tracked.run_id)
        assert run not in ("None", gone)
        losses = {point.step: point.value for point in client.get_metric_history(run, "loss")}
        assert losses == {1: 3.0, 2: 2.0, 3: 1.0}
        assert len(client.get_metric_history(run, "heldout_loss")) == 1
    assert not said
    client.delete_run(run)
    tracked.on_step(4, 1.0)
    tracked.end()
    [line] = said
    assert "Training goes on without MLflow" in line


def test_ctrl_c_tells_the_step_that_the_same_command_goes_on_from(
    given: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    options = [*OPTIONS[:3], "2000", *OPTIONS[4:]]
    command = ["base", "train", "--data", "data", "--base", "base", "--out", str(out), *options]
    environment = os.environ | {"ADLOOM_HOME": str(tmp_path / "home")}
    process = AdloomProcess(*command, folder=given, environment=environment)
    while not saved_step(out / "training" / "state.safetensors"):
        assert process.runs, process.ended()
        time.sleep(0.02)
    process.interrupt()
    status, printed, said = process.ended()
    assert (status, printed) == (130, "")
    step = saved_step(out / "training" / "state.safetensors")
    assert said.splitlines()[-1] == f"Stopped. The same command goes on from step {step:,}"


def manifest(given: Path, folder: Path, **changes: object) -> Path:
    """The data set with something else said of it."""
    folder.mkdir()
    for shard in (given / "data").glob("*.parquet"):
        (folder / shard.name).symlink_to(shard)
    Manifest.load(given / "data").model_copy(update=changes).save(folder)
    return folder


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"codebook": "another-32"}, "with another codebook than"),
        ({"history_codebook": "another-16"}, "with another codebook than"),
        ({"records": {"train": 6}}, "heldout is 0"),
        ({"records": {"heldout": 2}}, "train is 0"),
        ({"complete": False}, "is not encoded to its end"),
    ],
)
def test_data_that_the_base_cannot_learn_from_is_refused_before_weights_are_loaded(
    given: Path, tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    data = manifest(given, tmp_path / "data", **changes)
    with pytest.raises((CannotTrain, BadShards), match=told):
        TrainingOrder.of(given / "base", data, SIX, 1)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"plan": SIX.model_copy(update={"steps": 7})}, "was begun with steps 6"),
        ({"processes": 2}, "was begun with processes 1"),
    ],
)
def test_a_folder_goes_on_with_what_it_was_begun_with_alone(
    given: Path, tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    order = TrainingOrder.of(given / "base", given / "data", SIX, 1)
    order.save(tmp_path)
    order.refuse_other(tmp_path)
    with pytest.raises(CannotTrain, match=told):
        order.model_copy(update=changes).refuse_other(tmp_path)


def test_weights_are_shared_out_by_layer_unless_another_way_was_asked_for() -> None:
    def found(**told: str) -> str | None:
        share_out_by_layer(told)
        return told.get("FSDP_TRANSFORMER_CLS_TO_WRAP")

    assert found(ACCELERATE_USE_FSDP="true") == "LlamaDecoderLayer"
    by_class = {"FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP"}
    assert found(ACCELERATE_USE_FSDP="true", **by_class) == "LlamaDecoderLayer"
    assert found(ACCELERATE_USE_FSDP="true", FSDP_AUTO_WRAP_POLICY="SIZE_BASED_WRAP") is None
    assert found() is None


def test_the_command_says_in_a_line_what_is_wrong(given: Path, tmp_path: Path) -> None:
    def told(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["base", "train", "--stage", "general", *arguments])
        assert result.exit_code == 2
        assert "Traceback" not in result.output
        return result.output

    full = ["--data", str(given / "data"), "--base", str(given / "base")]
    assert "holds no training" in told(*full, "--out", str(given))
    nothing = ["--data", str(tmp_path), "--base", str(given / "base"), "--out", "run"]
    assert "holds no shards" in told(*nothing)
    no_base = ["--data", str(given / "data"), "--base", str(tmp_path), "--out", "run"]
    assert "holds no ad generator" in told(*no_base)
