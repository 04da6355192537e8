"""What a process has once it runs stays: the collector of garbage need not look at it again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

OF_BATCHES = 500_000
"""More than Python's 700: events of one batch are gone by themselves before they are looked at.
A look through so many stops all threads for half a second."""
OF_REQUESTS = 5_000
"""A look through so many takes some milliseconds, which a request may have to wait."""


@contextmanager
def settled_memory(*, new: int = OF_BATCHES, collect: bool = True) -> Iterator[None]:
    """For as long as the block runs.

    Modules and parts are about a million objects: each look through them stops all threads for
    0.4 s, also the one that is taken here first, unless it is not to ``collect``.

    Args:
        new: there are so many objects more before they are looked at.
    """
    before = gc.get_threshold()
    if collect:
        gc.collect()
    gc.freeze()
    gc.set_threshold(new, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
