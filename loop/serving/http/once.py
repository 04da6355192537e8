"""A line of the log that many requests lead to is logged once in a while."""

from __future__ import annotations

import logging
import threading
import time

_AGAIN_SECONDS = 60.0
_MOST_LINES = 256


class Once:
    """Lines that were logged of late. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._logged: dict[str, float] = {}

    def warn(self, log: logging.Logger, line: str) -> None:
        """Log a line, unless it was logged in the last minute."""
        now = time.monotonic()
        with self._lock:
            if now - self._logged.get(line, -_AGAIN_SECONDS) < _AGAIN_SECONDS:
                return
            if len(self._logged) >= _MOST_LINES:
                self._logged.clear()
            self._logged[line] = now
        log.warning("%s", line)
