"""What long commands say when Ctrl-C ends them: what is kept, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from adloom.loop.commands.errors import problems

GOES_ON = "The same command goes on from what is kept of it"
BEGINS_ANEW = "Nothing of it is kept: the same command begins anew"


@contextmanager
def stop_told(kept: Callable[[], str]) -> Iterator[None]:
    """Says, once the block was stopped, what ``kept`` knows by then of what it leaves."""
    try:
        yield
    except KeyboardInterrupt:
        problems.print(f"Stopped. {kept()}", markup=False, highlight=False, soft_wrap=True)
        raise
