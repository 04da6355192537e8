"""Who draws learns at once of what was stored."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from adloom.loop.serving.keeping import Keeping


@pytest.mark.parametrize("stored", ["an ad", None])
def test_what_is_stored_or_is_to_be_made_once_more_is_told(stored: str | None) -> None:
    told, promised = threading.Event(), Future[str]()
    keeping = Keeping[str](told.set)
    keeping.keep(promised, lambda: stored)
    assert told.wait(10)
    assert promised.done() is (stored is not None)
    assert not keeping


def test_what_cannot_be_stored_is_told() -> None:
    told, promised = threading.Event(), Future[str]()

    def store() -> str:
        raise OSError("the disk is full")

    Keeping[str](told.set).keep(promised, store)
    assert told.wait(10)
    with pytest.raises(OSError, match="full"):
        promised.result(0)
