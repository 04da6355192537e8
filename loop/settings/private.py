"""What adloom keeps is for its own user alone; what a user asks to have written is as he shares."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PRIVATE = 0o077  # what of a file's mode is taken away
_shared: int | None = None  # the user's own mask, once files are private


def keep_private() -> None:
    """From now on files of this process are 0600, folders 0700, those of its libraries too.

    SQLite, MLflow, pyarrow and temporary files of processes that it starts all go by the mask of
    the process.
    """
    global _shared
    mask = os.umask(_PRIVATE)
    _shared = mask if _shared is None else _shared


@contextmanager
def as_the_user_shares() -> Iterator[None]:
    """For what was asked for at a place of the user's own, such as a report: his own mask."""
    if _shared is None:
        yield
        return
    private = os.umask(_shared)
    try:
        yield
    finally:
        os.umask(private)


def tighten(home: Path) -> str | None:
    """Take a home away from others; one line where they could read it, else None.

    What is not of this user stays as it is, and links are not followed.
    """
    try:
        found = home.stat()
    except OSError:
        return None  # it is made private
    if not found.st_mode & _PRIVATE or found.st_uid != os.geteuid():
        return None
    _take(home)
    for folder, folders, files in os.walk(home):
        for name in (*folders, *files):
            _take(Path(folder, name))
    return f"{home} could be read by other users of this machine; it is private now"


def _take(path: Path) -> None:
    with suppress(OSError):  # of another user, or gone meanwhile
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode) and mode & _PRIVATE:
            path.chmod(stat.S_IMODE(mode) & ~_PRIVATE)
