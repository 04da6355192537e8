"""How a command ends when something is wrong: one line that says what to do, no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from rich.console import Console
from rich.markup import escape

problems = Console(stderr=True)


@contextmanager
def errors_told(*expected: type[Exception]) -> Iterator[None]:
    """Errors that a user can act on end the command with one line instead of a traceback."""
    from adloom.stream.topics import BrokerUnavailable

    try:
        yield
    except Exception as error:
        if isinstance(error, (FileNotFoundError, BrokerUnavailable, *expected)):
            fail(str(error))
        raise


def fail(message: str) -> NoReturn:
    """Ends the command with exit status 2."""
    problems.print(f"[red]Error:[/] {escape(message)}", highlight=False)
    raise typer.Exit(2)
