"""How often each who asks may: so many times in any window of so many seconds."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from limits.limits import RateLimitItem

_FORGOTTEN_AT_ONCE = 2  # more than come in


class Rate:
    """The times that each asked at within the window. For one thread.

    What a request costs does not grow with how many ask, nor how often: nothing looks at the
    others, and there is no thread that does.
    """

    def __init__(self, rate: RateLimitItem, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds = rate.amount, rate.get_expiry()
        self._clock = clock
        self._asked: OrderedDict[str, deque[float]] = OrderedDict()  # who was let in last, last

    def __len__(self) -> int:
        return len(self._asked)

    def wait(self, who: str) -> float:
        """Seconds until ``who`` may come again; 0: they may, and this time counts."""
        now = self._clock()
        self._forget(now - self._seconds)
        times = self._asked.setdefault(who, deque())
        while times and times[0] <= now - self._seconds:
            times.popleft()
        if len(times) >= self._most:
            return times[0] + self._seconds - now
        times.append(now)
        self._asked.move_to_end(who)
        return 0.0

    def _forget(self, before: float) -> None:
        """Some of those who have not been let in since."""
        for _ in range(_FORGOTTEN_AT_ONCE):
            who, times = next(iter(self._asked.items()), ("", None))
            if not times or times[-1] > before:
                return
            del self._asked[who]
