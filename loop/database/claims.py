"""Work that one process alone may do, of all that share a database."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, extract, func, select

from adloom.loop.database.statements import insert_new
from adloom.loop.database.tables import claims


@dataclass(frozen=True)
class Claim:
    """True where this process has the work."""

    engine: Engine
    work: str
    seconds: float
    holder: str
    ours: bool

    def __bool__(self) -> bool:
        return self.ours

    def renew(self) -> bool:
        """Keep the work for as long again; call it on the way, now and then.

        False where another has it by now: this process was not heard of for too long.
        """
        return self._until(seconds_now(self.engine) + self.seconds)

    def holds(self, connection: Connection) -> bool:
        """Whether the work is still this process's; nobody else gets it in this transaction."""
        row = select(claims.c.holder).where(claims.c.work == self.work).with_for_update()
        return self.ours and connection.execute(row).scalar() == self.holder

    def _until(self, moment: Any) -> bool:
        if not self.ours:
            return False
        mine = claims.update().where(claims.c.work == self.work, claims.c.holder == self.holder)
        with self.engine.begin() as connection:
            return connection.execute(mine.values(until=moment)).rowcount == 1


@contextmanager
def claimed(engine: Engine, work: str, seconds: float) -> Iterator[Claim]:
    """Claim work, if nobody has it; it is given back at the end of the block.

    A process that dies keeps its claim for so many seconds after it was made or renewed.
    """
    now, holder = seconds_now(engine), uuid.uuid4().hex
    taken = {
        "until": now + seconds,
        "holder": holder,
        "owner": f"process {os.getpid()} on {socket.gethostname()}",
        "since": datetime.now(UTC),
    }
    with engine.begin() as connection:
        new = {"work": work, "until": 0.0, "holder": "", "owner": "", "since": None}
        connection.execute(insert_new(claims, engine), new)
        free = claims.update().where(claims.c.work == work, claims.c.until < now)
        ours = connection.execute(free.values(**taken)).rowcount == 1
    claim = Claim(engine, work, seconds, holder, ours)
    try:
        yield claim
    finally:
        claim._until(0.0)


def who_has(engine: Engine, work: str) -> str | None:
    """The process that has some work now, its machine, and since when; None: nobody."""
    columns = claims.c.owner, claims.c.since
    query = select(*columns).where(claims.c.work == work, claims.c.until >= seconds_now(engine))
    with engine.connect() as connection:
        row = connection.execute(query).first()
    return None if row is None else f"{row.owner}, since {row.since:%H:%M:%S} UTC"


def seconds_now(engine: Engine) -> Any:
    """Seconds since 1970; the clocks of machines that share a server differ, its own is one."""
    if engine.dialect.name == "postgresql":
        return extract("epoch", func.clock_timestamp())
    return time.time()
