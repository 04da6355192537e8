"""Whether a database can be used, told in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext


class DatabaseUnusable(RuntimeError):
    """The database cannot be used; the message says which, why, and what to do."""


class Health(Protocol):
    """Knows what errors of a database mean."""

    def unusable(self, error: BaseException) -> DatabaseUnusable | None:
        """What to raise in the place of a driver's error; None: the error as it is."""
        ...

    def problem(self, probe: Callable[[], object]) -> str | None:
        """What is wrong now; ``probe`` asks the database something small."""
        ...


_WATCHED: WeakKeyDictionary[Engine, Health] = WeakKeyDictionary()


def watch(engine: Engine, health: Health) -> None:
    """From now on whatever is asked of an engine raises DatabaseUnusable where it cannot be."""
    _WATCHED[engine] = health

    def told(context: ExceptionContext) -> None:
        error: Any = context.original_exception
        if (unusable := health.unusable(error)) is not None:
            raise unusable from error

    event.listen(engine, "handle_error", told)


def problem(engine: Engine, probe: Callable[[], object]) -> str | None:
    """What is wrong with a database that `open_database` opened; None where all is well."""
    return _WATCHED[engine].problem(probe)
