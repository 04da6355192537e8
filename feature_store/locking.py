"""One at a time, or many readers at a time, by a lock file. Holds for threads and processes."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def file_lock(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Waits for the lock; the system lets it go when its holder ends, however it ends.

    Holders of a `shared` lock keep out only those who want it alone.
    """
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
