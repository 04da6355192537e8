"""Names that nobody can guess: of requests, ads and exposures.

The system is asked for many at once: asking lets go of the interpreter, and beside busy threads
each of the three names of a request would wait to get it back.
"""

from __future__ import annotations

import os
import threading
import uuid

_BYTES = 16
_AT_ONCE = 256


class RandomIds:
    """Random UUIDs (version 4). For any number of threads, of one process."""

    def __init__(self) -> None:
        self._bytes = memoryview(b"")
        self._lock = threading.Lock()

    def new(self) -> uuid.UUID:
        """Another one than ever before."""
        with self._lock:
            if not self._bytes:
                self._bytes = memoryview(os.urandom(_BYTES * _AT_ONCE))
            taken, self._bytes = self._bytes[:_BYTES], self._bytes[_BYTES:]
        return uuid.UUID(bytes=taken.tobytes(), version=4)


IDS = RandomIds()
"""Of this process; one that is forked off must not use it."""
