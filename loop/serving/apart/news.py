"""What processes that draw have said, for who waits for any of them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class News:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._said = threading.Condition()
        self._heard = False
        self._failed: deque[Exception] = deque()

    def tell(self, failed: Exception | None = None) -> None:
        """There is something to do or, with an error, a step of drawing failed."""
        with self._said:
            if failed is None:
                self._heard = True
            else:
                self._failed.append(failed)
            self._said.notify_all()

    def wait(self, seconds: float, asked: Callable[[], bool]) -> None:
        """Until there are some, or nothing is asked. Raises what a step of drawing did.

        What was told before counts.
        """
        with self._said:
            if asked():
                self._said.wait_for(lambda: self._heard or self._failed, seconds)
            self._heard = False
            if self._failed:
                raise self._failed.popleft()
