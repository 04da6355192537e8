"""Files that MoCo v3's code and what builds on it write, read without running what is in them."""

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
from adloom.models.quality.moco import MocoEncoder

_INSIDE = ("state_dict", "model")
"""Where training code keeps weights beside its optimiser."""
_OF_WRAPPERS = ("module.", "_orig_mod.")
_ENCODERS = ("base_encoder.", "", "momentum_encoder.")
"""The encoder that learns by gradients comes first; some files hold nothing else, bare."""
_TOP = "compress_layer."


def load_moco_v3(path: Path, *, heads: int = 12, device: str = "cpu") -> MocoEncoder:
    """Load a vision transformer of MoCo v3; nothing in the file is executed.

    The weights are the file, or its ``state_dict`` or ``model``; they may lie under ``module.``,
    ``base_encoder.`` and ``momentum_encoder.``, and have a ``compress_layer`` on top.

    Args:
        path: a ``.pth``, ``.pth.tar`` or ``.pt`` file, or safetensors.
        heads: attention heads, which weights do not tell; 12 in ViT-S and ViT-B of MoCo v3.
        device: where it looks at pictures.

    Raises:
        FileNotFoundError: there is no such file.
        BadEncoder: it is damaged, holds what may not be unpickled, or no such transformer.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no background encoder there")
    weights = encoder_weights(read_weights(path))
    if weights is None:
        raise BadEncoder(f"{path}: no vision transformer of MoCo v3 in it")
    try:
        encoder = MocoEncoder(weights, heads)
        encoder.load_state_dict(weights)
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        raise BadEncoder(
            f"{path}: no vision transformer of MoCo v3 that is whole: {_first_problem(error)}"
        ) from error
    return encoder.eval().to(device)


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


def encoder_weights(everything: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """Weights of the encoder under the names of `MocoEncoder`; None where there is none."""
    for prefix in _ENCODERS:
        if f"{prefix}cls_token" in everything and f"{prefix}pos_embed" in everything:
            own = {n.removeprefix(prefix): w for n, w in everything.items() if n.startswith(prefix)}
            on_top = {n: w for n, w in everything.items() if n.startswith(_TOP)}
            both = on_top | own
            return {n: w.float() if w.is_floating_point() else w for n, w in both.items()}
    return None


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
    except (RuntimeError, OSError, EOFError, KeyError, ValueError, AttributeError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # so a file cut off is told
            raise
        raise BadEncoder(f"{path}: damaged, or no file of torch.save") from error


def _bare(name: str) -> str:
    while (wrapper := next((w for w in _OF_WRAPPERS if name.startswith(w)), None)) is not None:
        name = name.removeprefix(wrapper)
    return name


def _first_problem(error: Exception) -> str:
    """What torch tells in many lines, in one."""
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = lines[min(1, len(lines) - 1)]
    return told if len(told) < 160 else f"{told[:160]} ..."
