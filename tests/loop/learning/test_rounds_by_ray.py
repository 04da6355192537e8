"""Rounds by two workers of Ray Train on this machine, and what is told where there are none."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from adloom.loop.commands.app import app
from adloom.loop.learning.ray_cluster import CannotScaleOut, join_ray
from adloom.loop.settings.serving import RaySettings
from adloom.models.training.data_parallel import WorkerLost
from tests.loop.learning.small_round import assert_same_weights, learnt_alone, task
from tests.tiny_model import tiny_generator


@pytest.mark.long
def test_two_workers_come_to_the_weights_of_one_process_also_when_one_is_killed(
    tmp_path: Path,
) -> None:
    pytest.importorskip("ray.train", reason="Ray is not installed: pip install 'adloom[ray]'")
    from adloom.loop.learning.rounds.by_ray import ray_workers

    generator = tiny_generator()
    generator.model.save_pretrained(tmp_path / "base")

    def kill_one(step: int, loss: float) -> None:
        if step == 2:
            os.kill(_workers()[1], signal.SIGKILL)

    steps: list[int] = []
    with ray_workers(RaySettings(), tmp_path / "base", "cpu", 2) as workers:
        with pytest.raises(WorkerLost, match=r"^worker [01] of Ray has ended: start again"):
            workers.learn(generator, task(tmp_path / "round"), kill_one)
        result = workers.learn(
            generator, task(tmp_path / "round"), lambda step, _: steps.append(step)
        )
    assert steps[-1] == 4
    assert 1 not in steps  # what was learnt is not learnt again
    assert (generator.active, generator.adapters) == ("round", ("round",))
    assert_same_weights(result.adapter, learnt_alone(tmp_path).adapter)


def _workers() -> list[int]:
    """Process ids of the workers, which name themselves."""
    ours = psutil.Process().children(recursive=True)
    return [one.pid for one in ours if "TrainWorker" in " ".join(one.cmdline())]


def test_what_a_worker_raised_is_raised_here_and_who_is_gone_is_named() -> None:
    training = pytest.importorskip("ray.train", reason="Ray is not installed")
    from adloom.loop.learning.rounds.by_ray import _failed

    gone = training.TrainingFailedError("its process has died")
    left, own = WorkerLost("another has ended"), ValueError("no clicked ads")
    assert _failed(training.WorkerGroupError("", {0: left, 1: own})) is own
    told = _failed(training.WorkerGroupError("", {0: left, 1: gone}))
    assert str(told).startswith("worker 1 of Ray has ended: start again")


def test_what_ray_cannot_do_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(*options: str, **environment: str) -> str:
        given = {"ADLOOM_HOME": str(tmp_path), **environment}
        result = CliRunner().invoke(app, ["train-round", *options], env=given)
        assert (result.exit_code, result.output.count("Error:")) == (2, 1)
        return result.output

    assert "--workers counts those of --ray" in told("--workers", "2")
    assert "leave torchrun out" in told("--ray", WORLD_SIZE="2")
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "Ray is not installed: pip install 'adloom[ray]'" in told("--ray")


@pytest.mark.parametrize("address", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "ray://no.invalid:{}"])
def test_a_cluster_that_is_not_there_is_told_at_once(address: str) -> None:
    """Ray would try for minutes; here it is not even asked."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    given = address.format(port)
    with pytest.raises(CannotScaleOut, match=r"ray\.address: no Ray cluster at") as told:
        join_ray(None, RaySettings(address=given))
    assert given in str(told.value)
