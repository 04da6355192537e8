"""What a folder has to hold, looked at before anything is loaded.

Each tells in one line why a folder is not what is wanted; None where it may be.
"""

from __future__ import annotations

from pathlib import Path

from adloom.models.described import Damaged, json_object, refuse_cut_off, weight_files

BASE_FILE = "ad_generator.json"
DATA_SET_FILE = "dataset.json"
MODULES_FILE = "conditioning.safetensors"
ENLARGER_FILE = "enlarger.safetensors"
ADAPTER_FILES = "adapter_config.json", "adapter_model.safetensors", MODULES_FILE
DINOV2_FOLDER = "dinov2"
_WORDS_FILE = "tokenizer.json"


def no_base(folder: Path | None) -> str | None:
    """Of a saved base, whole as far as can be told from the heads of its files; None is the
    bundled one.
    """
    if folder is None:
        return None
    if not (folder / BASE_FILE).is_file():
        return f"{folder} holds no ad generator: {BASE_FILE} is missing"
    try:
        base = json_object(folder / BASE_FILE)
        seeing = base.get("foreground") == "dinov2"
        for part in (folder, *([folder / DINOV2_FOLDER] if seeing else [])):
            json_object(part / "config.json")
            for file in weight_files(part):
                refuse_cut_off(file)
        refuse_cut_off(folder / MODULES_FILE)
        if base.get("enlarged", 1) != 1:
            refuse_cut_off(folder / ENLARGER_FILE)
        if not (folder / _WORDS_FILE).is_file():
            raise Damaged(f"{_WORDS_FILE} is missing")
    except Damaged as damage:
        return not_whole(folder, str(damage))
    return None


def not_whole(folder: Path, why: str) -> str:
    """What is told of a saved base of which a file is damaged."""
    return f"{folder} holds no whole ad generator: {why}: copy it again, or make it anew"


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
