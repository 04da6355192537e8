"""Adapters of registered versions on this machine: fetched once, looked at each time.

A folder a version, under a name that no other version has, also not the one with the same number
after the registry was made anew. Beside its files lie their hashes: what was cut off, changed or
lost on this disk is fetched again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from adloom.feature_store.locking import file_lock
from adloom.loop.learning.registered_model import Version

_KINDS = (".json", ".safetensors")
_HASHES = "sha256"  # of each file
_MOST_BYTES = 1 << 14  # of the file with the hashes


class UnfitVersion(ValueError):
    """A version that cannot be served or learnt from; the message says which, and why."""


def key_of(version: Version) -> str:
    """Names a version and no other: number, run and moment."""
    made_by = f"{version.run_id} {version.created.isoformat()}"
    return f"{version.number}-{hashlib.sha256(made_by.encode()).hexdigest()[:16]}"


class KeptAdapters:
    """The folder that holds them. Safe to use from several threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def kept(self, version: Version) -> Path | None:
        """The version's adapter, if it is here and whole."""
        folder = self._folder / key_of(version)
        return folder if _is_whole(folder) else None

    def keep_only(self, versions: Iterable[Version]) -> None:
        """Remove the adapters of all other versions; what is asked for again is fetched again."""
        kept = {key_of(version) for version in versions}
        for folder in self._folder.glob("*/"):
            if folder.name.partition(".")[0] not in kept:
                shutil.rmtree(folder, ignore_errors=True)
                (self._folder / f"{folder.name}.lock").unlink(missing_ok=True)

    def get(self, version: Version, fetch: Callable[[Path], Path]) -> Path:
        """The version's adapter; ``fetch`` brings it into an empty folder, and says where to.

        Raises:
            UnfitVersion: what was fetched is no adapter.
        """
        if (kept := self.kept(version)) is not None:
            return kept
        folder = self._folder / key_of(version)
        self._folder.mkdir(parents=True, exist_ok=True)
        with file_lock(self._folder / f"{folder.name}.lock"):
            if not _is_whole(folder):  # nobody else was first
                partial = self._folder / f"{folder.name}.partial"
                shutil.rmtree(partial, ignore_errors=True)  # of who was ended on the way
                fetched = self._folder / f"{folder.name}.fetched"
                shutil.rmtree(fetched, ignore_errors=True)
                fetched.mkdir()
                _take_over(version, fetch(fetched), partial)
                shutil.rmtree(folder, ignore_errors=True)
                partial.rename(folder)
                shutil.rmtree(fetched, ignore_errors=True)
        return folder


def _take_over(version: Version, fetched: Path, into: Path) -> None:
    """Move an adapter's files; what could run, and is never read, is not kept."""
    into.mkdir()
    hashes: dict[str, str] = {}
    for path in _files(fetched):
        with path.open("rb") as file:
            hashes[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        path.replace(into / path.name)
    if not hashes:
        raise UnfitVersion(f"version {version.number} holds no adapter: no JSON, no safetensors")
    (into / _HASHES).write_text(json.dumps(hashes, indent=2))


def _is_whole(folder: Path) -> bool:
    """Whether its files are what they were when they were fetched."""
    try:
        with (folder / _HASHES).open("rb") as file:
            hashes = json.loads(file.read(_MOST_BYTES))
        return bool(hashes == {path.name: _hash(path) for path in _files(folder)})
    except (OSError, ValueError):
        return False


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.suffix in _KINDS and path.is_file()]


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
