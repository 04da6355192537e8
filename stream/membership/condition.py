"""How a consumer is: for `/readyz`, and for the metric and the log that say the same."""

from __future__ import annotations

import logging
from typing import NamedTuple

from adloom.stream import metrics
from adloom.stream.membership.gaps import Notes

_log = logging.getLogger(__name__)

_NOT_BEGUN = "it has not begun yet"


class ConsumerState(NamedTuple):
    """What others may know of a consumer.

    Attributes:
        ready: broker and store answered the last time, and nothing waits to be repeated.
        problem: why it is not ready.
        notes: what someone should see to, though events flow.
    """

    ready: bool
    problem: str | None
    notes: tuple[str, ...]


class Condition:
    """The state of one consumer, which sets it; anyone may ask for it from any thread."""

    def __init__(self) -> None:
        self.notes = Notes()
        self._problem: str | None = _NOT_BEGUN
        self._failing = False

    @property
    def state(self) -> ConsumerState:
        """As of now."""
        problem = self._problem
        return ConsumerState(problem is None, problem, self.notes.lines)

    @property
    def failing(self) -> bool:
        """Whether what is read cannot be applied; one that only waits to read does not fail."""
        return self._failing

    def set(self, problem: str | None, *, failing: bool = False) -> None:
        """Ready, or what is in the way.

        Args:
            failing: it is in the way of applying, not only of reading.
        """
        self._failing = failing
        if problem is None and self._problem is not None:
            _log.info("ready")
        self._problem = problem
        metrics.READY.set(problem is None)
