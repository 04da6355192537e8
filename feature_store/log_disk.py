"""The log in a folder of this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from adloom.feature_store.log_layout import BY_DAY, LAID


def to_disk(folder: Path, version: int) -> None:
    """The library leaves it to the system when files reach the disk: a power cut may take them."""
    log = folder / "_delta_log"
    entry = log / f"{version:020d}.json"
    actions: list[dict[str, Any]] = list(map(json.loads, entry.read_text().splitlines()))
    files = [folder / action["add"]["path"] for action in actions if "add" in action]
    for path in {*files, *(file.parent for file in files), entry, log}:
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def files_of_log(folder: Path) -> list[Path]:
    """The files of a log in a folder that have its events; none where there is no log in it."""
    if not DeltaTable.is_deltatable(str(folder)):
        return []
    files = DeltaTable(folder).file_uris(file_pruning_predicate=[(LAID, "=", BY_DAY)])
    return sorted(map(Path, files))
