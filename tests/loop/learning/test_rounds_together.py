"""A round of two processes is the round of one: also after one of them was killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch

from adloom.loop.learning.rounds.together import Together, learn_with_first
from adloom.models.training.data_parallel import WorkerLost, rank
from tests.loop.learning.small_round import assert_same_weights, learnt_alone, task
from tests.tiny_model import tiny_generator
from tests.together import run_together


def learn(folder: Path, kill_at: int | None) -> None:
    """What each process does."""
    torch.manual_seed(rank())  # each has its own luck

    def on_step(step: int, loss: float) -> None:
        if step == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    if rank() == 0:
        together = Together()
        together.wait()
        together.learn(tiny_generator(), task(folder / "round"), on_step)
        together.end()
        return
    generator = tiny_generator()
    try:
        learn_with_first(generator)
    except WorkerLost as error:
        (folder / "told").write_text(str(error))
    else:
        assert generator.adapters == ()


@pytest.mark.slow
def test_two_processes_come_to_the_weights_of_one_also_when_one_is_killed(tmp_path: Path) -> None:
    assert run_together(learn, tmp_path, 2) == [-signal.SIGKILL, 0]
    assert "a process that trained with this one has ended" in (tmp_path / "told").read_text()
    assert run_together(learn, tmp_path, None) == [0, 0]
    assert_same_weights(tmp_path / "round" / "adapter", learnt_alone(tmp_path).adapter)
