"""What a server does until it answers: a line a step on stderr, with the seconds so far."""

from __future__ import annotations

import logging
import time

from rich.console import Console

_log = logging.getLogger("adloom.serve")


class Starting:
    """Tells a person at a terminal in plain lines, and whoever reads logs in JSON lines."""

    def __init__(self, console: Console) -> None:
        self._console = console if console.is_terminal else None
        self._began = time.monotonic()
        self.doing = "its parts"
        if self._console is None:
            from adloom.loop.serving.http.logs import log_as_json

            log_as_json()

    def tell(self, doing: str) -> None:
        """What is done from now on."""
        self.doing = doing
        seconds = time.monotonic() - self._began
        if self._console is None:
            _log.info("%s", doing, extra={"seconds": round(seconds, 1)})
        else:
            self._console.print(
                f"{seconds:5.1f} s  {doing}", highlight=False, markup=False, soft_wrap=True
            )
