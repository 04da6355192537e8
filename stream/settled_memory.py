"""What a process has once it runs stays: the collector of garbage need not look at it again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_OBJECTS_BEFORE_A_LOOK = 500_000
"""More than Python's 700: events of one batch are gone by themselves before they are looked at."""


@contextmanager
def settled_memory(*, collect: bool = True) -> Iterator[None]:
    """For as long as the block runs.

    Modules and parts are about a million objects: each look through them stops all threads for
    0.4 s, also the one that is taken here first, unless it is not to ``collect``.
    """
    before = gc.get_threshold()
    if collect:
        gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BEFORE_A_LOOK, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
