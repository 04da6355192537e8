"""A consumer at work in a thread of its own, and its end: what was accepted is not left behind."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from adloom.stream.consumer import EventConsumer
from adloom.stream.outages import OUTAGES

_log = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.2


@contextmanager
def consuming(consumer: EventConsumer, *, drain_seconds: float = 0.0) -> Iterator[EventConsumer]:
    """The consumer runs, through outages and refusals, while the block does; then it is closed.

    Args:
        drain_seconds: how long it reads on after the block, until it has all that the broker has:
            for a broker that ends with this process, and with it what nobody has read. Whoever
            sends to it must have flushed by the end of the block.
    """
    stop = threading.Event()

    def work() -> None:
        consumer.run(stop, patient=True)
        if drain_seconds:
            _tell(drain(consumer, drain_seconds))

    thread = threading.Thread(target=work, name="consumer", daemon=True)
    thread.start()
    try:
        yield consumer
    finally:
        stop.set()
        thread.join()
        consumer.close()


def drain(consumer: EventConsumer, seconds: float) -> int | None:
    """Polls until all that the broker has is in the features, or the time is over.

    Returns the number of events that are left; None when the broker does not say.
    """
    deadline = time.monotonic() + seconds
    left = None
    while True:
        try:
            left = consumer.behind()
            if left == 0 or time.monotonic() > deadline:
                return left
            consumer.poll()
        except OUTAGES as error:
            if time.monotonic() > deadline:
                _log.warning("the last events cannot be applied: %s", error)
                return left
            time.sleep(_PAUSE_SECONDS)


def _tell(left: int | None) -> None:
    if left != 0:
        number = "an unknown number of" if left is None else f"{left:,}"
        _log.warning("%s events were accepted and are lost with the local broker", number)
