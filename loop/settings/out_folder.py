"""The place that a command shall write, looked at before any work is done.

Each tells in one line why nothing can be written there; None where it can. To be sure, the nearest
folder that is there is tried: rights alone do not tell of disks that are read-only.
"""

from __future__ import annotations

import tempfile
from pathlib import Path


def taken(out: Path) -> str | None:
    """Of a folder that is written beside its place and moved there whole: not there, or empty."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        return f"{out} is there already: choose another --out, or remove it"
    if (problem := _link_to_nothing(out)) is not None:
        return problem
    if out.is_symlink():
        return f"{out} is a link: name the folder that it leads to"
    if out.is_mount():
        return f"{out} is where a disk is mounted: name a folder in it"
    return _unwritable(out, out.absolute().parent)


def unwritable_folder(out: Path) -> str | None:
    """Of a folder that is written into, whatever lies there."""
    if out.exists() and not out.is_dir():
        return f"{out} is a file: name a folder"
    return _link_to_nothing(out) or _unwritable(out, out.absolute())


def unwritable_file(file: Path | None) -> str | None:
    """Of a file, which may be there; None is no file at all."""
    if file is None:
        return None
    if file.is_dir():
        return f"{file} is a folder: name a file"
    if not file.exists():
        return _link_to_nothing(file) or _unwritable(file, file.absolute().parent)
    try:
        with file.open("ab"):
            return None
    except OSError as error:
        return f"{file} cannot be written ({error.strerror}): name another file, or mend this"


def _link_to_nothing(place: Path) -> str | None:
    if place.is_symlink() and not place.exists():
        return f"{place} is a link to nothing: remove it, or name another place"
    return None


def _unwritable(named: Path, folder: Path) -> str | None:
    """Of ``folder``, which may have to be made first."""
    while not folder.exists():
        if (problem := _link_to_nothing(folder)) is not None:
            return f"{named} cannot be written: {problem}"
        folder = folder.parent
    if not folder.is_dir():
        return f"{named} cannot be written: {folder} is a file, no folder: name another place"
    try:
        with tempfile.TemporaryDirectory(prefix=".adloom-", dir=folder):
            return None
    except OSError as error:
        return (
            f"{named} cannot be written: nothing can be made in {folder} ({error.strerror}): "
            "name another place, or mend this"
        )
