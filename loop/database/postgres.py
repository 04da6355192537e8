"""The database that the machines of a shop share: Postgres."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError

from adloom.loop.database.health import DatabaseUnusable, watch
from adloom.loop.settings.database import DatabaseSettings

_CONNECT_SECONDS = 10
_NO_SUCH = re.compile(r'database "[^"]*" does not exist')  # it has no code: nobody was let in


def postgres_engine(settings: DatabaseSettings, connect_seconds: int = _CONNECT_SECONDS) -> Engine:
    """The engine of `[database] url`; nothing is asked of it yet. Raises DatabaseUnusable."""
    assert settings.url is not None
    try:
        url = make_url(settings.url).set(drivername="postgresql+psycopg")
        if settings.password is not None:
            url = url.set(password=settings.password.get_secret_value())
        engine = create_engine(
            url,
            pool_pre_ping=True,  # a server that was started again costs nobody an error
            connect_args={"connect_timeout": connect_seconds},
        )
    except ModuleNotFoundError as error:
        raise DatabaseUnusable("Postgres needs psycopg: pip install 'adloom[postgres]'") from error
    except (ArgumentError, ValueError) as error:
        raise DatabaseUnusable(f"database.url cannot be read: {error}") from error
    _bound(engine)
    watch(engine, ServerHealth(where(url)))
    return engine


def _bound(engine: Engine) -> None:
    from adloom.loop.database.answering import bound  # needs psycopg

    bound(engine)


def where(url: URL) -> str:
    """A server and its database, without who logs in."""
    host = url.host or url.query.get("host") or "the socket"
    return f"{host}{f':{url.port}' if url.port else ''}/{url.database}"


class ServerHealth:
    """What the errors of a Postgres server mean. Safe to use from several threads."""

    def __init__(self, where: str) -> None:
        self._where = where

    def unusable(self, error: BaseException) -> DatabaseUnusable | None:
        """Of one that is away, refuses the login or has no room; a wrong statement is no such."""
        from psycopg import InterfaceError, OperationalError

        if not isinstance(error, (OperationalError, InterfaceError)):
            return None
        # Indented lines are what its library guesses; the last other one is what it met.
        said = str(error).strip().splitlines() or [type(error).__name__]
        lines = [line for line in said if line and not line[:1].isspace()]
        told = lines[-1].strip()
        mended = "see that it runs, and to database.url and ADLOOM_DATABASE__PASSWORD"
        if _NO_SUCH.search(told):
            mended = "make it (createdb), or see to database.url"
        return DatabaseUnusable(f"the database at {self._where} cannot be used ({told}): {mended}")

    def problem(self, probe: Callable[[], object]) -> str | None:
        """What is wrong now, in one line; ``probe`` asks it something small."""
        try:
            probe()
        except DatabaseUnusable as error:
            return str(error)
        return None
