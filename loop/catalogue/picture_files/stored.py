"""Files in an object store, by the hash of their bytes."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime

from adloom.loop.catalogue.hashes import is_hash
from adloom.loop.catalogue.picture_files.object_store import ObjectStore

_MOST_BYTES = 16 << 20  # of a picture: one of 1,024 px a side has a fifth of it
_IN_MEMORY = 32 << 20
_REMEMBERED = 65_536  # names that were seen to be there


class StoredFiles:
    """Files of one ending. What was read is held against its name; some of it stays in memory."""

    def __init__(self, store: ObjectStore, ending: str, media_type: str) -> None:
        self._store = store
        self._ending = ending
        self._media_type = media_type
        self._lock = threading.Lock()
        self._contents: OrderedDict[str, bytes] = OrderedDict()
        self._held = 0
        self._there: OrderedDict[str, None] = OrderedDict()

    def put(self, content: bytes) -> str:
        """Keep content; what is damaged under its name is written anew."""
        name = hashlib.sha256(content).hexdigest()
        key = self._key(name)
        if not self._store.create(key, content, self._media_type) and self._fetched(name) is None:
            self._store.overwrite(key, content, self._media_type)
        self._hold(name, content)
        return name

    def read(self, name: str) -> bytes | None:
        """The content of a name; None where there is none, or it is damaged."""
        if not is_hash(name):
            return None
        with self._lock:
            if (held := self._contents.get(name)) is not None:
                self._contents.move_to_end(name)
                return held
        content = self._fetched(name)
        if content is not None:
            self._hold(name, content)
        return content

    def has(self, name: str) -> bool:
        """Whether there is such a file; one that was seen is not looked for again."""
        if not is_hash(name):
            return False
        with self._lock:
            if name in self._there:
                self._there.move_to_end(name)
                return True
        return self.size(name) is not None

    def remove(self, name: str) -> None:
        """Nothing is kept under a name any more."""
        if not is_hash(name):
            return
        self._store.delete(self._key(name))
        with self._lock:
            self._there.pop(name, None)
            if (content := self._contents.pop(name, None)) is not None:
                self._held -= len(content)

    def older(self, before: datetime) -> Iterator[list[str]]:
        """Names of files that were last put before a moment, some hundredths at a time."""
        for number in range(256):
            keys = self._store.older(f"{number:02x}", before)
            files = [key.rpartition("/")[2] for key in keys if key.endswith(self._ending)]
            yield [name for file in files if is_hash(name := file.removesuffix(self._ending))]

    def let_go(self) -> None:
        """What was read stays in memory no longer: another machine may have removed it."""
        with self._lock:
            self._contents.clear()
            self._there.clear()
            self._held = 0

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is none."""
        size = self._store.size(self._key(name))
        if size is not None:
            with self._lock:
                self._remember(name)
        return size

    def _fetched(self, name: str) -> bytes | None:
        content = self._store.read(self._key(name), _MOST_BYTES)
        if content is not None and hashlib.sha256(content).hexdigest() == name:
            return content
        with self._lock:
            self._there.pop(name, None)
        return None

    def _key(self, name: str) -> str:
        return f"{name[:2]}/{name}{self._ending}"

    def _hold(self, name: str, content: bytes) -> None:
        with self._lock:
            self._remember(name)
            if name in self._contents:
                return
            self._contents[name] = content
            self._held += len(content)
            while self._held > _IN_MEMORY:
                _, oldest = self._contents.popitem(last=False)
                self._held -= len(oldest)

    def _remember(self, name: str) -> None:
        self._there[name] = None
        self._there.move_to_end(name)
        while len(self._there) > _REMEMBERED:
            self._there.popitem(last=False)
