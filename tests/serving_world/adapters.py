"""Adapters as trainers and disks break them; each leaves one in a folder that cannot be served."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def another_module(folder: Path) -> None:
    told = json.loads((folder / CONFIG).read_text())
    told["target_modules"] = ["q_proj", "gate_proj"]
    (folder / CONFIG).write_text(json.dumps(told))


def not_finite(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    weights[min(weights)].fill_(float("nan"))
    save_file(weights, folder / WEIGHTS)


def too_wide(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    wider = {key: torch.nn.functional.pad(w, (0, 1)) for key, w in weights.items()}
    save_file(wider, folder / WEIGHTS)


def too_large_to_draw(folder: Path) -> None:
    """Finite, and yet no prompt survives it: only a drawn ad can tell."""
    weights = load_file(folder / WEIGHTS)
    save_file({key: torch.full_like(w, 9e5) for key, w in weights.items()}, folder / WEIGHTS)
    told = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(told | {"lora_alpha": 9e5}))


def truncated(folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])


def without_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


def no_json(folder: Path) -> None:
    (folder / CONFIG).write_text("{")


def empty(folder: Path) -> None:
    """No adapter at all."""
    for file in folder.iterdir():
        file.unlink()


BROKEN: dict[str, Callable[[Path], None]] = {
    broken.__name__: broken
    for broken in (
        another_module,
        not_finite,
        too_wide,
        too_large_to_draw,
        truncated,
        without_weights,
        no_json,
        empty,
    )
}


def broken_copy(adapter: Path, how: str | None, into: Path) -> Path:
    """A copy of an adapter, broken in that way; None: as good as it was."""
    copy = shutil.copytree(adapter, into)
    if how is not None:
        BROKEN[how](copy)
    return copy
