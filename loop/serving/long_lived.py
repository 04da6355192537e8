"""What a server has once it runs stays: the collector of garbage need not look at it again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def long_lived() -> Iterator[None]:
    """What is there now is not looked at while the block runs.

    Modules and parts are about a million objects: each full collection stops all threads for as
    long as it takes to look at them.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
