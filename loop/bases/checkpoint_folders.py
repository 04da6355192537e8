"""Folders of public checkpoints, looked at before anything is loaded."""

from __future__ import annotations

from pathlib import Path

from adloom.models.described import Damaged, json_object, weight_files

_CONFIG = "config.json"
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
    try:
        if not json_object(folder / _CONFIG):
            raise Damaged(f"{_CONFIG} is empty")
        if weights:
            weight_files(folder, _WEIGHTS)
    except Damaged as damage:
        return f"{folder}: {damage}: copy the checkpoint again"
    return None
