"""Training by several processes that torchrun started, each with examples of its own.

Source: https://docs.pytorch.org/docs/stable/elastic/run.html. One plain process is the case of
a world of one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.nn import Parameter

_PATIENCE = timedelta(hours=12)
"""The first process may train a stage alone while the others wait."""


def join_world() -> None:
    """Meet the other processes, where torchrun started this one; call once, at the start."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        backend = "nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, timeout=_PATIENCE)


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def wait_for_all() -> None:
    """Go on when every process has come here."""
    if dist.is_initialized():
        dist.barrier()


def average_gradients(parameters: Sequence[Parameter]) -> None:
    """Give every process the mean of their gradients; all must hold the same parameters."""
    if world_size() == 1:
        return
    gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= world_size()
    for parameter, mean in zip(
        parameters, flat.split([gradient.numel() for gradient in gradients]), strict=True
    ):
        parameter.grad = mean.view_as(parameter)
