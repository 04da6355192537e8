"""Rounds on real clicks by `adloom train-round`, in processes that torchrun or Ray start."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import pytest

from adloom.loop import home
from adloom.loop.learning.rounds.kept import RoundOutcome, outcomes
from adloom.loop.settings import Settings
from tests.adloom_process import AdloomProcess
from tests.loop.learning.clicked_home import clicked_home


def rounds_of(settings: Settings) -> list[RoundOutcome]:
    return outcomes(settings.home / home.ROUNDS_FOLDER)


def train(file: Path, *options: str, **environment: str) -> AdloomProcess:
    command = ("--config", str(file), "train-round", *options)
    return AdloomProcess(*command, folder=file.parent, environment=os.environ | environment)


@pytest.mark.slow
def test_a_round_of_two_processes_is_the_round_of_one_and_another_needs_new_clicks(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    together = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}  # as torchrun
    settings, file = clicked_home(tmp_path / "two")
    _, alone = clicked_home(tmp_path / "one")
    ran = [train(file, "--json", RANK=str(rank), **together) for rank in range(2)]
    ended = [process.ended() for process in ran]
    assert [status for status, _, _ in ended] == [0, 0], ended
    assert [out for _, out, _ in ended][1] == ""  # the first one speaks
    status, told, _ = train(alone, "--json").ended()
    assert status == 0
    made, expected = json.loads(ended[0][1]), json.loads(told)
    assert (made["version"], made["train_clicks"]) == (2, expected["train_clicks"])
    for loss in ("heldout_before", "heldout_after"):
        assert made[loss] == pytest.approx(expected[loss], rel=1e-3)
    assert [one.number for one in rounds_of(settings)] == [1]
    status, _, told = train(file, "--force").ended()
    assert status == 2
    assert "no ad was clicked since the last round" in told


@pytest.mark.slow
@pytest.mark.long
def test_who_watches_with_ray_is_ended_by_ctrl_c_after_a_round_too(tmp_path: Path) -> None:
    """Ray takes Ctrl-C for itself while workers train."""
    pytest.importorskip("ray.train", reason="Ray is not installed: pip install 'adloom[ray]'")
    settings, file = clicked_home(tmp_path)
    watching = train(file, "--watch", "--ray", "--workers", "1")
    while "Round 1" not in watching.said:
        assert watching.runs, watching.ended()
        time.sleep(0.1)
    watching.interrupt()
    status, _, beside = watching.ended()
    assert status == 0, beside
    assert [one.train_clicks for one in rounds_of(settings)] == [16]
    assert "Ended; a round that was cut off goes on at the next start" in beside
    assert "Traceback" not in beside
