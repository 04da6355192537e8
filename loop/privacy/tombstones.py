"""Who is forgotten, in the database: no id of theirs, but a keyed hash of it.

A user has a moment: events of before it are no events. While somebody is being forgotten, and for
whoever opted out, there is no such moment: then none of their events is taken in at all.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, Engine, Update, select

from adloom.loop.database.statements import insert_new, parts, upsert
from adloom.loop.database.tables import forgotten, privacy

_KEY_BYTES, _NAME_BYTES = 32, 16


class Tombstone(NamedTuple):
    """What the database has of somebody.

    Attributes:
        name: keyed hash of the user's id, 32 hexadecimal digits.
        before: none of their events of before it, aware, UTC; None = none at all.
        found: JSON, what was found of them, until all of it is gone.
    """

    name: str
    before: datetime | None
    opted_out: bool
    found: str = ""


class Names:
    """The hashes that stand for users; without the key nobody makes them."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, user_id: str) -> str:
        """32 hexadecimal digits."""
        told = user_id.encode(errors="surrogatepass")
        return hashlib.blake2b(told, key=self._key, digest_size=_NAME_BYTES).hexdigest()


class Tombstones:
    """The table of who is forgotten. For several threads and processes at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def names(self) -> Names:
        """What tells the names of users here; the key is made by whoever asks first."""
        with self._engine.connect() as connection:
            key = connection.execute(select(privacy.c.key)).scalar()
        if key is None:
            first = {"id": 1, "key": secrets.token_bytes(_KEY_BYTES), "number": 0}
            with self._engine.begin() as connection:
                connection.execute(insert_new(privacy, self._engine), first)
                key = connection.execute(select(privacy.c.key)).scalar_one()
        return Names(bytes(key))

    def look(self) -> int | None:
        """The number of the last change: something small to ask."""
        with self._engine.connect() as connection:
            return connection.execute(select(privacy.c.number)).scalar()

    def since(self, number: int) -> tuple[int, list[Tombstone]]:
        """The number of the last change, and all that changed after one."""
        with self._engine.connect() as connection:
            last = connection.execute(select(privacy.c.number)).scalar() or 0
            if last == number:
                return last, []
            columns = forgotten.c
            query = select(columns.name, columns.before, columns.opted_out)
            changed = connection.execute(query.where(columns.number > number))
            return last, [Tombstone(*row) for row in changed]

    def of(self, names: Collection[str]) -> dict[str, Tombstone]:
        """Those of them that there are, by name."""
        with self._engine.connect() as connection:
            return {one.name: one for one in _read(connection, names)}

    def begin(self, names: Collection[str], opted_out: bool | None = None) -> int:
        """From now on none of their events is taken in; the number of this change.

        Args:
            opted_out: whether it stays so once they are forgotten; None = as it was before.
        """
        now = datetime.now(UTC)
        with self._engine.begin() as connection:
            number = _next(connection)
            known = {one.name: one for one in _read(connection, names)}
            rows = [
                {
                    "name": name,
                    "before": None,
                    "opted_out": _first(opted_out, known.get(name)),
                    "asked_at": now,
                    "found": known[name].found if name in known else "",
                    "number": number,
                }
                for name in sorted(set(names))
            ]
            connection.execute(upsert(forgotten, self._engine), rows)
        return number

    def note(self, name: str, found: str) -> None:
        """Keep what was found of somebody, for who goes on after a crash."""
        with self._engine.begin() as connection:
            connection.execute(_of(name).values(found=found))

    def end(self, names: Iterable[str]) -> None:
        """They are forgotten: events from now on count again, but of those who opted out."""
        now = datetime.now(UTC)
        with self._engine.begin() as connection:
            changed = {"found": "", "number": _next(connection)}
            for name in sorted(names):
                back = _of(name).where(forgotten.c.opted_out.is_(False))
                connection.execute(back.values(before=now))
                connection.execute(_of(name).values(**changed))

    def opt_in(self, name: str) -> bool:
        """Their events count from now on; False where they are just being forgotten."""
        with self._engine.begin() as connection:
            number, known = _next(connection), _read(connection, [name])
            if known and known[0].found:
                return False
            back = {"before": datetime.now(UTC), "opted_out": False, "number": number}
            connection.execute(_of(name).where(forgotten.c.opted_out).values(**back))
        return True


def _read(connection: Connection, names: Collection[str]) -> list[Tombstone]:
    columns, found = forgotten.c, list[Tombstone]()
    query = select(columns.name, columns.before, columns.opted_out, columns.found)
    for some in parts(list(names)):
        found += [
            Tombstone(*row) for row in connection.execute(query.where(columns.name.in_(some)))
        ]
    return found


def _of(name: str) -> Update:
    return forgotten.update().where(forgotten.c.name == name)


def _next(connection: Connection) -> int:
    """Changes are told in the order of their numbers: who makes the next one waits for this."""
    connection.execute(privacy.update().values(number=privacy.c.number + 1))
    return int(connection.execute(select(privacy.c.number)).scalar_one())


def _first(given: bool | None, known: Tombstone | None) -> bool:
    if given is not None:
        return given
    return known is not None and known.opted_out
