"""Weights that public training code writes, read without running what is in their files."""

from __future__ import annotations

import argparse
import errno
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from adloom.models.quality.background import BadEncoder

_INSIDE = ("state_dict", "model")
"""Where training code keeps weights beside its optimiser."""
_OF_WRAPPERS = ("module.", "_orig_mod.")


def read_weights(path: Path) -> dict[str, Tensor]:
    """All weights of a checkpoint by name, names without those of wrappers.

    Raises:
        BadEncoder: it is damaged, or holds objects beside weights that may not be unpickled.
    """
    found = _from_safetensors(path) if path.suffix == ".safetensors" else _unpickled(path)
    for name in _INSIDE:
        if isinstance(found, Mapping) and isinstance(found.get(name), Mapping):
            found = found[name]
    if not isinstance(found, Mapping):
        raise BadEncoder(f"{path}: no weights by name in it")
    return {_bare(str(name)): w for name, w in found.items() if isinstance(w, Tensor)}


def first_problem(error: Exception) -> str:
    """What torch tells in many lines of weights that do not fit, in one."""
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = lines[min(1, len(lines) - 1)]
    return told if len(told) < 160 else f"{told[:160]} ..."


def _from_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(str(path))
    except SafetensorError as error:
        raise BadEncoder(f"{path}: damaged, or no safetensors file") from error


def _unpickled(path: Path) -> Any:
    """What ``torch.save`` wrote; of classes only tensors, plain values and argparse's Namespace.

    A Namespace is a bag of attributes: making one runs nothing. Training code saves its own.
    """
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        if "GLOBAL" not in str(error) and "weights_only" not in str(error):
            raise BadEncoder(f"{path}: damaged, or no file of torch.save") from error
        raise BadEncoder(
            f"{path} holds objects that loading would run; where it was made, save its weights "
            "alone: torch.save({'state_dict': model.state_dict()}, FILE)"
        ) from error
    except (RuntimeError, OSError, EOFError, LookupError, ValueError, AttributeError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # so a file cut off is told
            raise
        raise BadEncoder(f"{path}: damaged, or no file of torch.save") from error


def _bare(name: str) -> str:
    while (wrapper := next((w for w in _OF_WRAPPERS if name.startswith(w)), None)) is not None:
        name = name.removeprefix(wrapper)
    return name
