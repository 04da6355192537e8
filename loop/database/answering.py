"""Connections to Postgres on which nobody waits for ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import Connection, OperationalError
from sqlalchemy import Connection as SqlConnection
from sqlalchemy import Engine, event

ANSWER_SECONDS = 60.0
"""How long a server may think about a statement; those of adloom read and write by the batch."""

NETWORK: dict[str, int] = {
    "tcp_user_timeout": 10_000,  # milliseconds; of what was sent and nobody acknowledged
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
}
"""Options of libpq: a machine that is gone without a word is noticed within some 20 seconds."""


class AnsweringConnection(Connection[Any]):
    """One that is given up once its server is silent for longer than `patience`, in seconds.

    A server that hangs (a full disk, a frozen machine) keeps its connections open: neither libpq
    nor a `statement_timeout`, which the server itself has to see to, ends the wait.
    """

    patience: float | None = None
    """None: as long as it takes."""

    def wait(self, *args: Any, **given: Any) -> Any:
        try:
            return super().wait(*args, **given | {"timeout": self.patience})
        except OperationalError as error:
            if self.closed or type(error).__name__ != "_WaitTimeout":
                raise
            self.pgconn.finish()  # whatever comes now would be the answer to an older question
            raise OperationalError(f"no answer within {self.patience:g} seconds") from error


def bound(engine: Engine) -> None:
    """Have an engine of the driver psycopg connect so."""

    def connect(_dialect: Any, _record: Any, args: Any, given: dict[str, Any]) -> Any:
        connection = AnsweringConnection.connect(*args, **NETWORK | given)
        connection.patience = ANSWER_SECONDS
        return connection

    event.listen(engine, "do_connect", connect)


@contextmanager
def as_long_as_it_takes(connection: SqlConnection) -> Iterator[None]:
    """For statements whose time nobody knows, as those that change a large table."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, AnsweringConnection)
    before, driver.patience = driver.patience, None
    try:
        yield
    finally:
        driver.patience = before
