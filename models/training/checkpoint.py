"""Training state as safetensors: weights, optimiser moments and the step, never pickle."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor

from adloom.models.training.data_parallel import rank

_CUT_OFF = re.compile(r"\.tmp[A-Za-z0-9]{6}")


def save_state(
    path: Path,
    parameters: Mapping[str, Tensor],
    optimizers: Sequence[torch.optim.Optimizer],
    step: int,
) -> None:
    """Write ``parameters``, the optimisers' moments and ``step`` in one atomic move.

    Where weights are shared out among processes (FSDP) all of them must call it; the first writes.
    """
    tensors = {f"parameter.{name}": _whole(p.detach()) for name, p in parameters.items()}
    for number, optimizer in enumerate(optimizers):
        for index, moments in optimizer.state_dict()["state"].items():
            for key, value in moments.items():
                name = f"optimizer.{number}.{index}.{key}"
                tensors[name] = _whole(torch.as_tensor(value))
    if rank() > 0:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_cut_off(path.parent)
    partial = path.with_suffix(".partial")
    save_file(tensors, str(partial), metadata={"step": str(step)})
    partial.replace(path)


def _clear_cut_off(folder: Path) -> None:
    """A process that was killed while it wrote leaves what safetensors writes to first."""
    for left in folder.iterdir():
        if _CUT_OFF.fullmatch(left.name):
            left.unlink(missing_ok=True)


def saved_step(path: Path) -> int:
    """The step that :func:`save_state` wrote; 0 where there is no file."""
    if not path.is_file():
        return 0
    with safe_open(str(path), framework="pt") as file:
        return int(file.metadata()["step"])


def load_state(
    path: Path, parameters: Mapping[str, Tensor], optimizers: Sequence[torch.optim.Optimizer]
) -> int:
    """Restore what :func:`save_state` wrote; returns the step, 0 where there is no file."""
    if not path.is_file():
        return 0
    moments: list[dict[int, dict[str, Tensor]]] = [{} for _ in optimizers]
    with safe_open(str(path), framework="pt") as file, torch.no_grad():
        for name in file.keys():  # noqa: SIM118 (a safetensors file is no mapping)
            kind, rest = name.split(".", 1)
            if kind == "parameter":
                parameters[rest].copy_(_shared_out(file.get_tensor(name), parameters[rest]))
            else:
                number, index, key = rest.split(".", 2)
                moments[int(number)].setdefault(int(index), {})[key] = file.get_tensor(name)
        step = int(file.metadata()["step"])
    for optimizer, known in zip(optimizers, moments, strict=True):
        state = optimizer.state_dict()
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        state["state"] = {
            index: {key: _shared_out(value, weights[index]) for key, value in moments_of.items()}
            for index, moments_of in known.items()
        }
        optimizer.load_state_dict(state)
    return step


def load_parameters(path: Path, parameters: Mapping[str, Tensor], prefix: str = "") -> None:
    """Restore parameters alone, those that :func:`save_state` was given under ``prefix``.

    Raises:
        SafetensorError: one of them is not there, or the file is damaged.
    """
    with safe_open(str(path), framework="pt") as file, torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(file.get_tensor(f"parameter.{prefix}{name}"))


def _whole(tensor: Tensor) -> Tensor:
    full: Tensor = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.contiguous()


def _shared_out(whole: Tensor, like: Tensor) -> Tensor:
    """``whole`` among processes as ``like`` is; a scalar, as a moment's step, is everybody's."""
    if not isinstance(like, DTensor) or whole.dim() == 0:
        return whole
    there = whole.to(like.device)
    return distribute_tensor(there, like.device_mesh, like.placements)
