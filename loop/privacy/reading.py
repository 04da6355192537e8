"""Who takes events in goes by who is forgotten, and says so: forgetting waits until all do.

What a process knows is worth something for half a minute: then it has to have asked again, or
takes nothing in. So nobody waits for one that has ended, and none that is cut off from the
database brings back what others have erased.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, delete, select

from adloom.feature_store.backend import StoreUnavailable
from adloom.loop.database.claims import seconds_now
from adloom.loop.database.health import DatabaseUnusable, problem
from adloom.loop.database.statements import upsert
from adloom.loop.database.tables import readers
from adloom.loop.privacy.tombstones import Names, Tombstones
from adloom.stream.forgotten import EVERY_MOMENT, NO_MOMENT

_LOOK_SECONDS = 1.0
_TELL_SECONDS = 10.0
_WORTH_SECONDS = 30.0
_WAIT_SECONDS = 90.0
_PAUSE_SECONDS = 0.05


class ReadersBusy(RuntimeError):
    """Processes that take events in did not say that they know; the message says which."""


class Reader:
    """What one process knows of who is forgotten. Safe to use from several threads."""

    def __init__(self, engine: Engine, doing: str, retention_days: int | None = None) -> None:
        """``doing`` says what it does, such as `consume`; older events than of so many days are
        none."""
        self._retention_days = retention_days
        self._engine, self._table = engine, Tombstones(engine)
        self._name = uuid.uuid4().hex
        self._owner = f"{doing}, process {os.getpid()} on {socket.gethostname()}"
        self._names: Names | None = None
        self._number = self._confirmed = -1
        self._before: dict[str, datetime] = {}
        self._looked = self._told = float("-inf")
        self._lock = threading.Lock()

    def look(self) -> bool:
        """Learns what changed, at most once a second; whether `confirm` is due.

        Raises StoreUnavailable where nobody could be asked for too long.
        """
        with self._lock:
            if time.monotonic() - self._looked >= _LOOK_SECONDS:
                self._ask()
            return self._number != self._confirmed

    def confirm(self) -> None:
        """Nothing that this process writes from now on is of before the last look.

        Raises StoreUnavailable.
        """
        with self._lock:
            try:
                self._tell(self._number)
            except DatabaseUnusable as error:
                raise StoreUnavailable(str(error)) from error
            self._confirmed = self._number

    def ends(self, user_id: str) -> datetime:
        """Events of the user from before it are none that are taken in."""
        if not self._before or self._names is None:
            return NO_MOMENT
        return self._before.get(self._names.of(user_id), NO_MOMENT)

    def oldest(self) -> datetime:
        """Events from before it are none that are taken in, whoever's they are."""
        if self._retention_days is None:
            return NO_MOMENT
        return first_day(datetime.now(UTC), self._retention_days)

    def refuses(self, user_id: str, at: datetime) -> bool:
        """Whether an event of a user, of that moment, is none that is taken in."""
        return at < self.ends(user_id)

    def close(self) -> None:
        """Nobody waits for it any more."""
        with self._lock, contextlib.suppress(DatabaseUnusable), self._engine.begin() as connection:
            connection.execute(delete(readers).where(readers.c.reader == self._name))
        self._engine.dispose()

    def _ask(self) -> None:
        asked = time.monotonic()
        try:
            if self._names is None:
                self._names = self._table.names()
            number, changed = self._table.since(self._number)
            if asked - self._told >= _TELL_SECONDS and self._confirmed >= 0:
                self._tell(self._confirmed)
        except DatabaseUnusable as error:
            problem(self._engine, self._table.look)  # a file that was put back is opened by it
            if asked - self._looked >= _WORTH_SECONDS - _TELL_SECONDS:
                raise StoreUnavailable(f"who is forgotten cannot be known: {error}") from error
            return
        self._before |= {one.name: one.before or EVERY_MOMENT for one in changed}
        self._number, self._looked = number, asked

    def _tell(self, number: int) -> None:
        told: dict[str, Any] = {"reader": self._name, "owner": self._owner}
        told |= {"number": number, "until": seconds_now(self._engine) + _WORTH_SECONDS}
        with self._engine.begin() as connection:
            connection.execute(upsert(readers, self._engine).values(told))
        self._told = time.monotonic()


def first_day(now: datetime, retention_days: int) -> datetime:
    """The beginning of the first day that is still kept, UTC."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=retention_days)


def wait_for_readers(engine: Engine, number: int, seconds: float = _WAIT_SECONDS) -> int:
    """Until all who take events in go by a change; how many there are. Raises ReadersBusy."""
    deadline = time.monotonic() + seconds
    while True:
        with engine.connect() as connection:
            live = readers.c.until >= seconds_now(engine)
            found = connection.execute(select(readers.c.owner, readers.c.number).where(live)).all()
        behind = sorted(row.owner for row in found if row.number < number)
        if not behind:
            return len(found)
        if time.monotonic() > deadline:
            raise ReadersBusy(
                f"{'; '.join(behind)}: not heard that they know who is forgotten: see to them, "
                "and run this again"
            )
        time.sleep(_PAUSE_SECONDS)
