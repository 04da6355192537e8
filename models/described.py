"""Files of a folder that say what else lies in it: read with limits, and refused in words.

A folder may come from anywhere: such a file may be cut off, huge, or name what lies elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

_MOST_BYTES = 2**20  # the largest config.json has some kilobytes
_MOST_INDEX_BYTES = 16 * 2**20
_LONGEST_NAME = 255


class Damaged(ValueError):
    """A file is not what its name says; the message names it, without its folder, and why."""


def json_object(path: Path, most_bytes: int = _MOST_BYTES) -> dict[str, Any]:
    """What a JSON file of an object holds.

    Raises:
        Damaged: it is missing, larger than ``most_bytes``, no JSON, or not of an object.
        OSError: it cannot be read.
    """
    if not path.is_file():
        raise Damaged(f"{path.name} is missing")
    if path.stat().st_size > most_bytes:
        raise Damaged(f"{path.name} is larger than {most_bytes // 2**20} MiB")
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:  # not UTF-8 is a ValueError too
        raise Damaged(f"{path.name} is no JSON") from error
    if not isinstance(found, dict):
        raise Damaged(f"{path.name} is no JSON object")
    return found


def weight_places(index: Path) -> dict[str, str]:
    """The file of each weight, by an index of weights in several files.

    Raises:
        Damaged: it is no such index, or a file that it names would lie outside its folder.
        OSError: it cannot be read.
    """
    places = json_object(index, _MOST_INDEX_BYTES).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise Damaged(f"{index.name} has no weight_map")
    for file in places.values():
        if not isinstance(file, str) or not _is_plain_name(file):
            raise Damaged(
                f"{index.name} names {str(file)[:80]!r}, which is no name of a file beside it"
            )
    return places


def weight_files(folder: Path, names: Sequence[str] = ("model.safetensors",)) -> list[Path]:
    """The files of a folder's weights: one of these names, or those of an index of it.

    Raises:
        Damaged: there is neither, or the index is damaged, or names a file that is missing.
        OSError: an index cannot be read.
    """
    for name in names:
        if (folder / name).is_file():
            return [folder / name]
    for index in (folder / f"{name}.index.json" for name in names):
        if index.is_file():
            files = [folder / file for file in sorted(set(weight_places(index).values()))]
            if missing := [file.name for file in files if not file.is_file()]:
                raise Damaged(f"{missing[0]} is missing")
            return files
    raise Damaged(f"the weights are missing ({' or '.join(names)})")


def refuse_cut_off(file: Path) -> None:
    """Hold the head of a safetensors file against its length; no weight is read.

    Raises:
        Damaged: it is missing, cut off, or something else.
    """
    if not file.is_file():
        raise Damaged(f"{file.name} is missing")
    try:
        with safe_open(str(file), framework="np"):
            pass
    except SafetensorError as error:
        raise Damaged(f"{file.name} is damaged ({error})") from error


def _is_plain_name(file: str) -> bool:
    plain = Path(file).name == file and file != ".." and not {"\\", "\0"} & set(file)
    return plain and len(file.encode(errors="replace")) <= _LONGEST_NAME
