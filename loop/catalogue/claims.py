"""Work that one process alone may do, of all that share a catalogue."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine

from adloom.loop.catalogue.database import claims, insert_new


@dataclass(frozen=True)
class Claim:
    """True where this process has the work."""

    engine: Engine
    work: str
    seconds: float
    ours: bool

    def __bool__(self) -> bool:
        return self.ours

    def renew(self) -> None:
        """Keep the work for as long again; call it on the way, now and then."""
        self._until(time.time() + self.seconds)

    def _until(self, moment: float) -> None:
        if self.ours:
            mine = claims.update().where(claims.c.work == self.work)
            with self.engine.begin() as connection:
                connection.execute(mine.values(until=moment))


@contextmanager
def claimed(engine: Engine, work: str, seconds: float) -> Iterator[Claim]:
    """Claim work, if nobody has it; it is given back at the end of the block.

    A process that dies keeps its claim for so many seconds after it was made or renewed.
    """
    now = time.time()
    with engine.begin() as connection:
        connection.execute(insert_new(claims, engine), {"work": work, "until": 0.0})
        free = claims.update().where(claims.c.work == work, claims.c.until < now)
        ours = connection.execute(free.values(until=now + seconds)).rowcount == 1
    claim = Claim(engine, work, seconds, ours)
    try:
        yield claim
    finally:
        claim._until(0.0)
