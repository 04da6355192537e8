"""One process at a time runs rounds of a home; the others are told which."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

_FILE = "turn.lock"
_MOST_CHARACTERS = 200


class RoundUnderWay(RuntimeError):
    """Another process, or another thread of this one, runs a round; the message says which."""

    def __init__(self, who: str) -> None:
        super().__init__(
            f"a round is under way: {who}; wait until it ends, or use --watch, which waits"
        )


@contextmanager
def turn(folder: Path) -> Iterator[None]:
    """Hold the turn for this block; the system lets it go when its holder ends, however it ends.

    Args:
        folder: of all rounds; made where it is not there.

    Raises:
        RoundUnderWay: it is held.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _FILE).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            who = file.read(_MOST_CHARACTERS).strip() or "another process"
            raise RoundUnderWay(who) from None
        file.truncate(0)
        now = datetime.now(UTC)
        file.write(f"process {os.getpid()} on {socket.gethostname()}, since {now:%H:%M:%S} UTC")
        file.flush()
        yield
        file.truncate(0)


def who_runs(folder: Path) -> str | None:
    """Who holds the turn; None where nobody does. Writes nothing."""
    try:
        file = (folder / _FILE).open()
    except FileNotFoundError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read(_MOST_CHARACTERS).strip() or "another process"
    return None
