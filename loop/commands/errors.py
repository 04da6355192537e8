"""How a command ends when something is wrong: one line that says what to do, no traceback."""

from __future__ import annotations

import errno
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

problems = Console(stderr=True, emoji=False)  # a message may hold `:x:` of its own
_OF_THE_MACHINE = {
    errno.ENOENT,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.EMFILE,
    errno.EIO,
    errno.EFBIG,
}
_OF_DISKS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}
_NO_RIGHT = "42501"  # of Postgres
_OF_SQLITE = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
}
_OF_RUST = re.compile(r"\(os error (\d+)\)")  # so libraries written in it end what they say


class Told(TyperGroup):
    """Commands of which none ends by a traceback where a user can mend what is wrong."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that was called."""
        with errors_told():
            return super().invoke(ctx)


@contextmanager
def errors_told(*expected: type[Exception]) -> Iterator[None]:
    """Errors that a user can act on end the command with one line instead of a traceback.

    All commands run in one (`Told`); `expected` are those that only some can meet.
    """
    try:
        yield
    except Exception as error:
        if (told := in_one_line(error, *expected)) is not None:
            fail(told)
        raise


def in_one_line(error: Exception, *expected: type[Exception]) -> str | None:
    """What is wrong and what to do; None for what no user can mend."""
    if isinstance(error, (*_of_all_commands(), *expected)):
        return str(error)
    return _of_the_machine(error)


def _of_all_commands() -> tuple[type[Exception], ...]:
    """Loaded only once something is wrong: Kafka and the stores take their time."""
    from adloom.feature_store.backend import FeaturesLost, StoreUnavailable, StoreUnfit
    from adloom.loop.catalogue.picture_files.files import PicturesAway
    from adloom.loop.catalogue.vectors import OtherTextEncoder
    from adloom.loop.database.health import DatabaseUnusable
    from adloom.loop.database.opening import OldHome
    from adloom.loop.database.revision import OtherRevision
    from adloom.loop.learning.kept_adapters import UnfitVersion
    from adloom.loop.learning.registry_errors import RegistryRefused, RegistryUnavailable
    from adloom.models.damaged_base import DamagedBase
    from adloom.models.text_encoder import NoTextEncoder
    from adloom.stream.cluster.refusals import BrokerUnavailable, KafkaRefused

    of_stores = (StoreUnavailable, StoreUnfit, FeaturesLost)
    of_database = (DatabaseUnusable, OldHome, OtherRevision, PicturesAway)
    of_registry = (RegistryUnavailable, RegistryRefused, UnfitVersion)
    of_models = (DamagedBase, OtherTextEncoder, NoTextEncoder)
    return BrokerUnavailable, KafkaRefused, *of_registry, *of_stores, *of_database, *of_models


def _of_the_machine(error: Exception) -> str | None:
    """What disks, rights and databases do to any command, in one line; None for other errors."""
    from sqlalchemy.exc import DatabaseError

    if isinstance(error, FileNotFoundError) and error.errno is None:
        return str(error)  # in adloom's own words
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}; mend this, and start the command again"
    if isinstance(error, DatabaseError):
        told = _first_line(error.orig or error)
        if getattr(error.orig, "sqlstate", None) == _NO_RIGHT:
            told += " (adloom doctor names the right that its login lacks)"
        return f"the database cannot be used: {told}; mend this, and start the command again"
    if _number(error) in _OF_THE_MACHINE:
        return f"{_first_line(error)}; mend this, and start the command again"
    # Of whatever came of a disk that is full: what it says itself may be anything.
    cause = error.__cause__
    if isinstance(cause, Exception) and _number(cause) in _OF_DISKS:
        return _of_the_machine(cause)
    return None


def _number(error: Exception) -> int | None:
    """What the machine said, as an errno, whichever library passes it on and however."""
    if isinstance(error, OSError):
        return error.errno
    if isinstance(error, sqlite3.Error):
        return _OF_SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)  # the rest is detail
    found = _OF_RUST.search(str(error))
    return int(found[1]) if found else None


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0]


def fail_if(*found: str | None) -> None:
    """Ends the command with the first that is wrong, before anything large is loaded."""
    for message in filter(None, found):
        fail(message)


def fail(message: str) -> NoReturn:
    """Ends the command with exit status 2."""
    # One line for whoever reads it by a program; a terminal wraps it itself.
    problems.print(f"[red]Error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    raise typer.Exit(2)
