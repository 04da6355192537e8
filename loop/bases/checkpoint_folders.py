"""Folders of public checkpoints, looked at before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path

_CONFIG = "config.json"
_MOST_BYTES = 16 * 2**20  # of a config.json; the largest have some kilobytes
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def is_folder(checkpoint: str) -> bool:
    """Whether it is a folder here, or can be nothing else: hub names are ``owner/name``."""
    written_as_path = checkpoint.startswith((".", "/", "~")) or checkpoint.count("/") != 1
    return Path(checkpoint).exists() or written_as_path


def unusable_folder(checkpoint: str, *, weights: bool = True) -> str | None:
    """Why a folder holds no checkpoint, in one line; None where it may, and for a hub's name.

    Without ``weights`` its config.json is enough.
    """
    folder = Path(checkpoint)
    if not is_folder(checkpoint):
        return None
    if not folder.is_dir():
        return f"{folder}: there is no such folder (a hub name is owner/name)"
    if not (folder / _CONFIG).is_file():
        return f"{folder}: no checkpoint lies there: {_CONFIG} is missing"
    if (problem := _unfit_config(folder / _CONFIG)) is not None:
        return f"{folder}: {_CONFIG} {problem}: copy the checkpoint again"
    if not weights or any((folder / name).is_file() for name in _WEIGHTS):
        return None
    for index in (folder / f"{name}.index.json" for name in _WEIGHTS):
        if index.is_file():
            files = set(json.loads(index.read_text())["weight_map"].values())
            missing = sorted(file for file in files if not (folder / file).is_file())
            return (
                f"{folder}: {missing[0]} is missing: copy the checkpoint again" if missing else None
            )
    return f"{folder}: the weights are missing ({' or '.join(_WEIGHTS)})"


def _unfit_config(file: Path) -> str | None:
    if file.stat().st_size > _MOST_BYTES:
        return f"is larger than {_MOST_BYTES // 2**20} MiB"
    try:
        described = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return "is no JSON"
    if not isinstance(described, dict):
        return "is no JSON object"
    return None if described else "is empty"
