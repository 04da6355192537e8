"""Pictures that an object store cannot take now: they wait on this machine, and are shown here."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from adloom.loop.catalogue.hashed_files import HashedFiles
from adloom.loop.catalogue.picture_files.files import PicturesAway
from adloom.loop.catalogue.picture_files.metrics import WAITING
from adloom.loop.catalogue.picture_files.stored import StoredFiles

_log = logging.getLogger("adloom.catalogue")
_MOST = 10_000  # some 400 MB


class WaitingFiles:
    """What the store does not take lies in a folder until it does. For several threads at once.

    A process that ends leaves it there for the next one of the same home.
    """

    def __init__(self, store: StoredFiles, folder: Path, ending: str) -> None:
        self._store = store
        self._ending = ending
        self._folder = folder
        self._files = HashedFiles(folder, ending)
        self._lock = threading.Lock()
        self._names = set(self._found())
        WAITING.set(len(self._names))

    @property
    def count(self) -> int:
        """Pictures that wait."""
        return len(self._names)

    def put(self, content: bytes) -> str:
        """Keep content. Raises PicturesAway where too much waits already."""
        try:
            return self._store.put(content)
        except PicturesAway:
            if len(self._names) >= _MOST:
                raise
            name = self._files.put(content)
            with self._lock:
                self._names.add(name)
                WAITING.set(len(self._names))
            return name

    def read(self, name: str) -> bytes | None:
        """The content of a name; None where there is none, or it is damaged."""
        if name in self._names and (content := self._files.read(name)) is not None:
            return content
        return self._store.read(name)

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return name in self._names or self._store.has(name)

    def remove(self, name: str) -> None:
        """Nothing is kept under a name any more, here or in the store."""
        self._store.remove(name)
        self._files.remove(name)
        with self._lock:
            self._names.discard(name)
            WAITING.set(len(self._names))

    def older(self, before: datetime) -> Iterator[list[str]]:
        """Names in the store that were last put before a moment; what waits is not among them."""
        for names in self._store.older(before):
            yield [name for name in names if not self.is_waiting(name)]

    def let_go(self) -> None:
        """What was read stays in memory no longer: another machine may have removed it."""
        self._store.let_go()

    def is_waiting(self, name: str) -> bool:
        """Whether this machine alone has it."""
        return name in self._names

    def send(self) -> None:
        """Give the store what waits. Raises nothing that the store does: it is tried again."""
        for name in self._found():  # other processes of this home may have left some
            content = self._files.read(name)
            try:
                if content is None:
                    _log.warning("pictures: %s waited and is damaged: it is left out", name)
                else:
                    self._store.put(content)
            except PicturesAway:
                return
            self._files.place(name).unlink(missing_ok=True)
            with self._lock:
                self._names.discard(name)
                WAITING.set(len(self._names))

    def _found(self) -> list[str]:
        return [path.stem for path in self._folder.glob(f"??/*{self._ending}")]
