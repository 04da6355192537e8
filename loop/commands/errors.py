"""How a command ends when something is wrong: one line that says what to do, no traceback."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from rich.console import Console
from rich.markup import escape

problems = Console(stderr=True)
_OF_THE_MACHINE = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EIO,
}


@contextmanager
def errors_told(*expected: type[Exception]) -> Iterator[None]:
    """Errors that a user can act on end the command with one line instead of a traceback."""
    from adloom.feature_store.backend import FeaturesLost, StoreUnavailable, StoreUnfit
    from adloom.loop.learning.registry_errors import RegistryRefused, RegistryUnavailable
    from adloom.stream.cluster.refusals import BrokerUnavailable, KafkaRefused

    of_stores = (StoreUnavailable, StoreUnfit, FeaturesLost)
    of_servers = (BrokerUnavailable, KafkaRefused, RegistryUnavailable, RegistryRefused)
    of_all = (FileNotFoundError, *of_servers, *of_stores)
    try:
        yield
    except Exception as error:
        if isinstance(error, (*of_all, *expected)):
            fail(str(error))
        if (told := _of_the_machine(error)) is not None:
            fail(told)
        raise


def _of_the_machine(error: Exception) -> str | None:
    """What disks, rights and databases do to any command, in one line; None for other errors."""
    from sqlalchemy.exc import DatabaseError

    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}; mend this, and start the command again"
    if isinstance(error, DatabaseError):
        return f"the database cannot be used: {error.orig}; mend this, and start the command again"
    return None


def fail(message: str) -> NoReturn:
    """Ends the command with exit status 2."""
    # One line for whoever reads it by a program; a terminal wraps it itself.
    problems.print(f"[red]Error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    raise typer.Exit(2)
