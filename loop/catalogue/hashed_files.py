"""Files that never change, under the SHA-256 of their bytes; one that is damaged is not there."""

from __future__ import annotations

import hashlib
import math
import os
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from adloom.loop.catalogue.hashes import is_hash

_YOUNG_SECONDS = 3_600.0
_REMEMBERED = 65_536  # files that were found whole; some hundred bytes each


class HashedFiles:
    """Content by its hash, in a folder. For several threads and processes at once.

    A file is held against its name when it is first asked for, and again when its size or time
    is another: a disk that was full or a crash may have left it short or empty.
    """

    def __init__(self, folder: Path, ending: str) -> None:
        """``ending`` is that of the files, such as ".png"; the folder is made with the first."""
        self._folder = folder
        self._ending = ending
        self._lock = threading.Lock()
        self._whole: OrderedDict[str, tuple[int, int, int]] = OrderedDict()

    def put(self, content: bytes) -> str:
        """Keep content; returns its name. What is damaged under that name is written anew."""
        name = hashlib.sha256(content).hexdigest()
        path = self.place(name)
        if self.find(name) is not None:
            self._renew(name, path)
        else:
            for folder in (self._folder, path.parent):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # A reader never sees half a file: write beside it, then move into place.
            partial = path.with_suffix(f".{uuid.uuid4().hex}.partial")
            made = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            try:
                with os.fdopen(made, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())  # a crash must not leave an empty file of that name
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
            self._keep(name, _state(path))
        return name

    def read(self, name: str) -> bytes | None:
        """The content of a name; None where there is none, or it is damaged."""
        path = self.find(name)
        try:
            return None if path is None else path.read_bytes()
        except OSError:
            return None  # removed meanwhile

    def has(self, name: str) -> bool:
        """Whether there is such a file, by a look that does not read it."""
        return is_hash(name) and self.place(name).is_file()

    def remove(self, name: str) -> None:
        """Nothing is kept under a name any more."""
        if is_hash(name):
            self.place(name).unlink(missing_ok=True)
            with self._lock:
                self._whole.pop(name, None)

    def older(self, before: datetime) -> Iterator[list[str]]:
        """Names of files that were last put before a moment, folder by folder."""
        moment = before.timestamp()
        for folder in sorted(self._folder.glob("[0-9a-f][0-9a-f]")):
            with os.scandir(folder) as found:
                yield [
                    name
                    for file in found
                    if file.name.endswith(self._ending)
                    and is_hash(name := file.name.removesuffix(self._ending))
                    and file.is_file()
                    and _put_at(file) < moment
                ]

    def let_go(self) -> None:
        """No content is in memory: the disk is asked each time."""

    def find(self, name: str) -> Path | None:
        """The file of a name; None where there is none, or it is damaged.

        Only 64 hexadecimal digits are looked up, so no request can name another file.
        """
        if not is_hash(name):
            return None
        path = self.place(name)
        try:
            state = _state(path)
            with self._lock:
                if self._whole.get(name) == state:
                    self._whole.move_to_end(name)
                    return path
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != name:
                    return None
        except OSError:
            return None
        self._keep(name, state)
        return path

    def _renew(self, name: str, path: Path) -> None:
        """What is put again is as young as what is new; not each time, for it is read again."""
        with suppress(OSError):  # removed meanwhile, or another user's
            if path.stat().st_mtime < time.time() - _YOUNG_SECONDS:
                os.utime(path)
                self._keep(name, _state(path))

    def _keep(self, name: str, state: tuple[int, int, int]) -> None:
        with self._lock:
            self._whole[name] = state
            while len(self._whole) > _REMEMBERED:
                self._whole.popitem(last=False)

    def place(self, name: str) -> Path:
        """Where the file of a hash is, or would be."""
        return self._folder / name[:2] / f"{name}{self._ending}"


def _put_at(file: os.DirEntry[str]) -> float:
    """Seconds since the epoch; never for what was removed meanwhile."""
    try:
        return file.stat().st_mtime
    except OSError:
        return math.inf


def _state(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
