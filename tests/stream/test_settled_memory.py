"""How often a process that runs looks for garbage."""

from __future__ import annotations

import gc
import weakref

from adloom.stream.settled_memory import OF_BATCHES, OF_REQUESTS, settled_memory


class Circle:
    """Garbage that only a look finds."""

    def __init__(self) -> None:
        self.itself = self


def _outlives(circles: int) -> bool:
    """Whether a circle that nobody holds is still there after so many others."""
    first = weakref.ref(Circle())
    for _ in range(circles):
        Circle()
    return first() is not None


def test_a_server_looks_often_so_that_each_look_is_short() -> None:
    with settled_memory(new=OF_REQUESTS, collect=False):
        assert not _outlives(OF_REQUESTS)


def test_batches_are_left_alone_for_longer() -> None:
    with settled_memory():
        assert _outlives(OF_REQUESTS)
        assert not _outlives(OF_BATCHES)


def test_afterwards_it_is_as_before() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with settled_memory(new=OF_REQUESTS):
        assert gc.get_freeze_count() > frozen
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, frozen)
