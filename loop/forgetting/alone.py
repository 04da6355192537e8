"""One process at a time erases, of all that share a home or a database; others wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from adloom.feature_store.locking import file_lock
from adloom.loop.forgetting.kept import Kept

_LOCK = 0x666F72676574  # the word forget; of Postgres' locks that mean what one wants


@contextmanager
def alone(kept: Kept) -> Iterator[None]:
    """Waits for its turn; whoever is killed has had it."""
    with file_lock(kept.features.folder / "erasing.lock"):
        if kept.database.dialect.name == "sqlite":
            yield
            return
        with kept.database.connect() as connection:
            connection.execute(text(f"SELECT pg_advisory_lock({_LOCK})"))
            connection.commit()  # the lock is the connection's: no transaction stays open
            try:
                yield
            finally:
                connection.execute(text(f"SELECT pg_advisory_unlock({_LOCK})"))
                connection.commit()
