"""Dead letters told in the log, a line a minute at most, however many there are."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping

_log = logging.getLogger(__name__)

_EVERY_SECONDS = 60.0


class BurialLog:
    """Counts dead letters by reason until a line is due."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._untold: Counter[str] = Counter()
        self._due = 0.0

    def add(self, reasons: Mapping[str, int]) -> None:
        """Letters that were buried."""
        self._untold.update(reasons)

    def tell(self, *, at_once: bool = False) -> None:
        """A line where there is something new to tell, and the last one is a minute old."""
        if not self._untold or (self._clock() < self._due and not at_once):
            return
        each = ", ".join(f"{number:,} {reason}" for reason, number in self._untold.most_common())
        many = self._untold.total() != 1
        _log.warning(
            "%s became %s (%s): adloom deadletter list shows what is wrong",
            f"{self._untold.total():,} payload{'s' if many else ''}",
            "dead letters" if many else "a dead letter",
            each,
        )
        self._untold.clear()
        self._due = self._clock() + _EVERY_SECONDS
