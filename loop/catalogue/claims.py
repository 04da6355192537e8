"""Work that one process alone may do, of all that share a catalogue."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from adloom.loop.catalogue.database import claims, insert_new


@contextmanager
def claimed(engine: Engine, work: str, seconds: float) -> Iterator[bool]:
    """Whether this process has the work; it is given back at the end of the block.

    A process that dies keeps its claim for so many seconds.
    """
    now = time.time()
    with engine.begin() as connection:
        connection.execute(insert_new(claims, engine), {"work": work, "until": 0.0})
        free = claims.update().where(claims.c.work == work, claims.c.until < now)
        ours = connection.execute(free.values(until=now + seconds)).rowcount == 1
    try:
        yield ours
    finally:
        if ours:
            with engine.begin() as connection:
                given_back = claims.update().where(claims.c.work == work)
                connection.execute(given_back.values(until=0.0))
