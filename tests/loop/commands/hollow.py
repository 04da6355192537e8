"""A base with every file that one has, and nothing in them: enough until it is loaded."""

from __future__ import annotations

from pathlib import Path

from safetensors.numpy import save_file


def hollow_base(folder: Path) -> Path:
    """Made at ``folder``; an encoded data set it might be too."""
    folder.mkdir()
    for name in ("ad_generator.json", "config.json", "tokenizer.json", "dataset.json"):
        (folder / name).write_text('{"a": 1}')
    for name in ("model.safetensors", "conditioning.safetensors"):
        save_file({}, folder / name)
    return folder
