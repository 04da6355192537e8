"""What a folder has to hold, looked at before anything is loaded.

Each tells in one line why a folder is not what is wanted; None where it may be.
"""

from __future__ import annotations

from pathlib import Path

BASE_FILE = "ad_generator.json"
DATA_SET_FILE = "dataset.json"
ADAPTER_FILES = "adapter_config.json", "adapter_model.safetensors", "conditioning.safetensors"


def no_base(folder: Path | None) -> str | None:
    """Of a saved base; None is the bundled one."""
    if folder is None or (folder / BASE_FILE).is_file():
        return None
    return f"{folder} holds no ad generator: {BASE_FILE} is missing"


def no_shards(folder: Path) -> str | None:
    """Of a data set that was encoded."""
    if (folder / DATA_SET_FILE).is_file():
        return None
    return f"{folder} holds no shards ({DATA_SET_FILE} is missing): adloom base encode"


def no_adapter(folder: Path | None) -> str | None:
    """Of an adapter; None is no adapter at all."""
    if folder is None:
        return None
    missing = next((file for file in ADAPTER_FILES if not (folder / file).is_file()), None)
    return None if missing is None else f"{folder} holds no adapter: {missing} is missing"
