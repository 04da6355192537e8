"""Processes that train together take the same steps on the mean of their gradients."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.multiprocessing.spawn import spawn

from adloom.models.training.data_parallel import (
    average_gradients,
    join_world,
    rank,
    wait_for_all,
    world_size,
)


def _half_a_batch(number: int, port: int, out: str) -> None:
    os.environ |= {
        "RANK": str(number),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    join_world()
    assert (rank(), world_size()) == (number, 2)
    layer, inputs = _problem()
    layer(inputs[number::2]).square().mean().backward()
    if number == 1:
        layer.bias.grad = None  # a parameter that one process did not need
    average_gradients(list(layer.parameters()))
    wait_for_all()
    torch.save([p.grad for p in layer.parameters()], f"{out}/{number}.pt")


def _problem() -> tuple[nn.Linear, torch.Tensor]:
    torch.manual_seed(0)
    return nn.Linear(3, 2), torch.randn(8, 3)


@pytest.mark.slow
def test_two_processes_agree_on_the_gradient_of_the_whole_batch(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    spawn(_half_a_batch, (port, str(tmp_path)), nprocs=2)
    first, second = (torch.load(tmp_path / f"{n}.pt", weights_only=True) for n in (0, 1))
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other)
    layer, inputs = _problem()
    layer(inputs).square().mean().backward()
    assert layer.weight.grad is not None
    assert torch.allclose(first[0], layer.weight.grad, atol=1e-6)


def test_alone_nothing_changes() -> None:
    layer, inputs = _problem()
    join_world()
    layer(inputs).sum().backward()
    assert layer.weight.grad is not None
    before = layer.weight.grad.clone()
    average_gradients(list(layer.parameters()))
    wait_for_all()
    assert (rank(), world_size()) == (0, 1)
    assert torch.equal(layer.weight.grad, before)
