"""One process at a time runs rounds, of all that share a home or a database; others are told which.

On one machine a lock of the system holds the turn: it is let go when its holder ends, however it
ends. Machines that share a Postgres have a claim in it beside, which a thread keeps alive.
"""

from __future__ import annotations

import fcntl
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine

from adloom.loop.database.claims import Claim, claimed, who_has
from adloom.loop.database.health import DatabaseUnusable

_FILE = "turn.lock"
_MOST_CHARACTERS = 200
_WORK = "round"
_SILENT_SECONDS = 60.0  # whoever is not heard of for so long has ended
_BEAT_SECONDS = 10.0


class RoundUnderWay(RuntimeError):
    """Another process, or another thread of this one, runs a round; the message says which."""

    def __init__(self, who: str) -> None:
        super().__init__(
            f"a round is under way: {who}; wait until it ends, or use --watch, which waits"
        )


class TurnLost(RuntimeError):
    """This process was not heard of for too long: another may run the round by now."""

    def __init__(self) -> None:
        super().__init__(
            "the turn to run a round was lost: the database heard nothing of this process for "
            f"{_SILENT_SECONDS:.0f} s; the round goes on where it stood, here or elsewhere"
        )


class Turn:
    """The turn that this process holds, or has lost."""

    def __init__(self, claim: Claim | None = None, lost: threading.Event | None = None) -> None:
        self._claim = claim
        self._lost = lost

    def __call__(self) -> None:
        """Raises TurnLost once it is lost, as far as this process knows."""
        if self._lost is not None and self._lost.is_set():
            raise TurnLost

    def verify(self, connection: Connection) -> None:
        """The same, by what the database says; until the transaction ends nobody else gets it."""
        if self._claim is not None and not self._claim.holds(connection):
            raise TurnLost


@contextmanager
def turn(folder: Path, database: Engine | None = None) -> Iterator[Turn]:
    """Hold the turn for this block.

    Args:
        folder: of all rounds; made where it is not there.
        database: that machines may share.

    Raises:
        RoundUnderWay: it is held.
    """
    with _turn_of_home(folder):
        if database is None or not is_shared(database):
            yield Turn()
            return
        with claimed(database, _WORK, _SILENT_SECONDS) as claim:
            if not claim:
                raise RoundUnderWay(who_has(database, _WORK) or "another process")
            with _kept_alive(claim) as lost:
                yield Turn(claim, lost)


def who_runs(folder: Path, database: Engine | None = None) -> str | None:
    """Who holds the turn; None where nobody does. Writes nothing."""
    found = _who_of_home(folder)
    if found is None and database is not None and is_shared(database):
        return who_has(database, _WORK)
    return found


def is_shared(database: Engine) -> bool:
    """Whether other machines may have it too."""
    return database.dialect.name != "sqlite"


@contextmanager
def _kept_alive(claim: Claim) -> Iterator[threading.Event]:
    """Renews it until the block ends; the event is set once it is another's."""
    lost, ended = threading.Event(), threading.Event()

    def beat() -> None:
        heard = time.monotonic()
        while not ended.wait(_BEAT_SECONDS):
            before = time.monotonic()
            with suppress(DatabaseUnusable):  # it may be back before the claim runs out
                if not claim.renew():
                    break
                heard = before
            if time.monotonic() - heard >= _SILENT_SECONDS:
                break
        else:
            return
        lost.set()

    thread = threading.Thread(target=beat, name="turn", daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        ended.set()
        thread.join()


@contextmanager
def _turn_of_home(folder: Path) -> Iterator[None]:
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


def _who_of_home(folder: Path) -> str | None:
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
