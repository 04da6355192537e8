"""What a round does one after the other, told as it comes, with the time that each took."""

from __future__ import annotations

import time
from collections.abc import Callable

OnPart = Callable[[str], None]
"""Is called with the words for what is done next."""


class Parts:
    """The parts of a round.

    Attributes:
        seconds: of each that is over, by its words.
    """

    def __init__(self, told: OnPart) -> None:
        self.seconds: dict[str, float] = {}
        self._told = told
        self._part: str | None = None
        self._began = 0.0

    def begin(self, part: str) -> None:
        """The part before is over."""
        self.end()
        self._part, self._began = part, time.monotonic()
        self._told(part)

    def end(self) -> None:
        """All is over."""
        if self._part is not None:
            took = time.monotonic() - self._began
            self.seconds[self._part] = self.seconds.get(self._part, 0.0) + took
            self._part = None
