"""Pictures under a home go to the place that the settings name: all of them, then the folder.

What is there already is not sent again, so that whoever was killed goes on where it stood, and
homes of several machines come together in one store.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from adloom.loop.catalogue.picture_files.left_behind import moving, pictures_left_behind
from adloom.loop.catalogue.picture_files.opening import PictureFiles, open_files
from adloom.loop.catalogue.picture_files.stored import StoredFiles
from adloom.loop.settings.pictures import PicturesSettings

_THREADS = 16
_AT_ONCE = 256
_CLOCKS_SECONDS = 60.0  # a disk of another machine goes by that one's clock


@dataclass(frozen=True)
class PicturesMoved:
    """What was done: pictures that lie at the new place now, and names of damaged ones."""

    moved: int = 0
    damaged: tuple[str, ...] = ()


def take_over_pictures(
    home: Path,
    settings: PicturesSettings,
    on_pictures: Callable[[int], None] = lambda pictures: None,
) -> PicturesMoved:
    """Move what a home keeps to the place of the settings; its folders go once all is there.

    Until then everything that opens the home is refused. ``on_pictures`` is told how many are
    there, again and again. Raises PicturesAway, OSError: the folders are as they were then.
    """
    behind = pictures_left_behind(home, settings)
    if not behind:
        return PicturesMoved()
    files = open_files(home, settings, keep_waiting=False)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="pictures") as pool:
        move = _Move(files, pool, on_pictures)
        for folder in behind:
            lately = time.time() - _CLOCKS_SECONDS
            move.all_of(folder, lately)
            if folder != (renamed := moving(folder)):
                # A server that was not stopped writes here no more: what came since comes too.
                folder.rename(renamed)
                move.rest_of(renamed, lately)
            shutil.rmtree(renamed)
    return PicturesMoved(move.moved, tuple(sorted(move.damaged)))


class _Move:
    def __init__(
        self, files: PictureFiles, pool: Executor, on_pictures: Callable[[int], None]
    ) -> None:
        self._files = files
        self._pool = pool
        self._on_pictures = on_pictures
        self.moved = 0
        self.damaged: set[str] = set()
        self._late: set[str] = set()

    def all_of(self, folder: Path, lately: float) -> None:
        """Every picture; those written since (seconds since 1970) are noted."""
        self._some(path for path in _files(folder) if self._noted(path, lately))

    def rest_of(self, folder: Path, lately: float) -> None:
        """What was written since, and is not noted."""
        late = (path for path in _files(folder) if path.stat().st_mtime >= lately)
        self._some(path for path in late if path.name not in self._late)

    def _noted(self, path: Path, lately: float) -> bool:
        if path.stat().st_mtime >= lately:
            self._late.add(path.name)
        return True

    def _some(self, paths: Iterator[Path]) -> None:
        while some := list(islice(paths, _AT_ONCE)):
            for path, whole in zip(some, self._pool.map(self._one, some), strict=True):
                self.moved += whole
                if not whole:
                    self.damaged.add(path.stem)
            self._on_pictures(self.moved)

    def _one(self, path: Path) -> bool:
        """False for a damaged one."""
        place = self._files.webp if path.suffix == ".webp" else self._files.png
        if isinstance(place, StoredFiles) and place.size(path.stem) == path.stat().st_size:
            return True
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != path.stem:
            return False
        place.put(content)
        return True


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("*/*") if path.suffix in (".webp", ".png"))
