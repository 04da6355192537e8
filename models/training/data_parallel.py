"""Training by several processes that torchrun or Ray started, each with examples of its own.

Source: https://docs.pytorch.org/docs/stable/elastic/run.html. One plain process is the case of
a world of one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import Parameter

PATIENCE = timedelta(hours=12)
"""The first process may train a stage alone while the others wait."""
_T = TypeVar("_T")


class WorkerLost(RuntimeError):
    """A process that trains with this one has ended; the message says what to do."""


def join_world() -> None:
    """Meet the other processes, where torchrun started this one; call once, at the start."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group(backend(torch.cuda.is_available()), timeout=PATIENCE)


def backend(gpus: bool) -> str:
    """What carries tensors: those on GPUs by NCCL, all others by Gloo."""
    return "cpu:gloo,cuda:nccl" if gpus else "gloo"


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
    """Give every process the mean of their gradients; all must hold the same parameters.

    Raises:
        WorkerLost: one of them has ended.
    """
    if world_size() == 1:
        return
    gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    with _all_there():
        dist.all_reduce(flat)
    flat /= world_size()
    for parameter, mean in zip(
        parameters, flat.split([gradient.numel() for gradient in gradients]), strict=True
    ):
        parameter.grad = mean.view_as(parameter)


def summed(values: Sequence[float]) -> list[float]:
    """Sums over all processes, the same to a bit in each.

    Raises:
        WorkerLost: one of them has ended.
    """
    if world_size() == 1:
        return list(values)
    sums = torch.tensor(values, dtype=torch.float64)
    with _all_there():
        dist.all_reduce(sums)
    found: list[float] = sums.tolist()
    return found


def from_first(value: _T) -> _T:
    """The first process's value, in all of them.

    Raises:
        WorkerLost: one of them has ended.
    """
    if world_size() == 1:
        return value
    told = [value]
    with _all_there():
        dist.broadcast_object_list(told, device=torch.device("cpu"))
    return told[0]


def own_share(of: int) -> range:
    """Places of a list of this length that fall to this process; none where it is too short."""
    return range(rank(), of, world_size())


class SharedBatch:
    """The `Exchange` of processes that compute shares of one batch, each a part of its loss."""

    def __init__(self) -> None:
        self.first = rank() == 0

    def accumulating(self, last: bool) -> AbstractContextManager[object]:
        """Gradients meet when they are clipped."""
        return nullcontext()

    def backward(self, loss: Tensor) -> None:
        """Gradients of a share, so large that their mean over the processes is the whole's."""
        (loss * world_size()).backward()

    def clip(self, weights: Sequence[Parameter], norm: float) -> None:
        """Bring the gradients together, of this norm at most."""
        average_gradients(weights)
        torch.nn.utils.clip_grad_norm_(weights, norm)

    def whole(self, loss: Tensor) -> float:
        """The loss of the whole batch."""
        return summed([loss.item()])[0]


@contextmanager
def _all_there() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise WorkerLost(
            "a process that trained with this one has ended (what it said stands above, or in its "
            "log): start again, and the training goes on from its last checkpoint"
        ) from error
