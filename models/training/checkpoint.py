"""Training state as safetensors: weights, optimiser moments and the step, never pickle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor


def save_state(
    path: Path,
    parameters: Mapping[str, Tensor],
    optimizers: Sequence[torch.optim.Optimizer],
    step: int,
) -> None:
    """Write ``parameters``, the optimisers' moments and ``step`` in one atomic move."""
    tensors = {f"parameter.{name}": p.detach().contiguous() for name, p in parameters.items()}
    for number, optimizer in enumerate(optimizers):
        for index, moments in optimizer.state_dict()["state"].items():
            for key, value in moments.items():
                name = f"optimizer.{number}.{index}.{key}"
                tensors[name] = torch.as_tensor(value).contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file(tensors, str(partial), metadata={"step": str(step)})
    partial.replace(path)


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
                parameters[rest].copy_(file.get_tensor(name))
            else:
                number, index, key = rest.split(".", 2)
                moments[int(number)].setdefault(int(index), {})[key] = file.get_tensor(name)
        step = int(file.metadata()["step"])
    for optimizer, known in zip(optimizers, moments, strict=True):
        state = optimizer.state_dict()
        state["state"] = known
        optimizer.load_state_dict(state)
    return step
