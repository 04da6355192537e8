"""Folders of this machine: are they there, may they be written, is there room."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from adloom.loop.doctor.finding import Check, Finding, judged

_OTHERS = 0o077
_GIB = 2**30
_LEAST_BYTES, _FEW_BYTES, _FEW_SHARE = _GIB // 4, 2 * _GIB, 0.05
_LEAST_FILES = 10_000


def home_check(home: Path) -> Check:
    """Of the home."""
    return Check("home", str(home), "home", partial(_look_at_home, home))


def _look_at_home(home: Path) -> Iterator[Finding]:
    told, wrong, notes = writable(home, "home")
    if not home.exists():
        made = "it is made by the first command that keeps something"
        yield judged("home", f"{home}: {told}; {made}", wrong, notes)
        return
    mode = home.stat().st_mode
    if mode & _OTHERS:
        notes.append(f"other users of this machine can read it: chmod -R go= {home}")
    lead = f"{home.resolve()}, by the link {home}" if home.is_symlink() else str(home.resolve())
    yield judged("home", f"{lead}: {told}", wrong, notes)


def writable(folder: Path, setting: str) -> tuple[str, list[str], list[str]]:
    """What is told of a folder's room; what is wrong there; what should be seen to.

    Of one that is not there, the folder that it would be made in. Raises OSError.
    """
    nearest = folder.absolute()
    while not nearest.exists():
        if nearest.is_symlink():
            return f"{folder}", [f"{nearest} is a link to nothing: mend it, or {setting}"], []
        nearest = nearest.parent
    if not nearest.is_dir():
        return f"{folder}", [f"{nearest} is a file, no folder: mend {setting}"], []
    wrong, notes = [], []
    disk, files = shutil.disk_usage(nearest), os.statvfs(nearest)
    if files.f_flag & os.ST_RDONLY:
        wrong.append(f"the disk of {nearest} is read-only: mount it to be written")
    elif not os.access(nearest, os.W_OK | os.X_OK):
        wrong.append(f"{nearest} cannot be written by this user: mend its rights, or {setting}")
    told = f"{disk.free / _GIB:,.1f} of {disk.total / _GIB:,.1f} GiB are free"
    if disk.free < _LEAST_BYTES:
        wrong.append(f"the disk of {nearest} is full: free some room")
    elif disk.free < _FEW_BYTES and disk.free < disk.total * _FEW_SHARE:
        notes.append(f"the disk of {nearest} is nearly full: free some room")
    if files.f_files and files.f_favail < _LEAST_FILES:
        wrong.append(f"the disk of {nearest} takes {files.f_favail:,} more files: free some")
    return told, wrong, notes
