"""A click log read to its end, and nothing sent."""

from __future__ import annotations

from collections.abc import Callable

from adloom.loop.replay.click_log import ClickLog
from adloom.loop.replay.errors import ClickLogUnavailable

_ROWS_AT_ONCE = 5_000

Told = Callable[[float, int], object]
"""Called with the part of the file that was read, 0 to 1, and the number of events."""


def check_log(log: ClickLog, told: Told = lambda *_: None) -> int:
    """Reads a log to its end and sends nothing; the number of events in it.

    Raises ClickLogUnavailable.
    """
    count = 0
    for row in log.events("check"):
        count += len(row.events)
        if count % _ROWS_AT_ONCE < len(row.events):
            told(row.part, count)
    return count


def refuse_any(log: ClickLog) -> None:
    """Raises ClickLogUnavailable when a row of a log that was read is refused."""
    if log.refused:
        first = log.refusals[0]
        rows = "row is" if log.refused == 1 else "rows are"
        raise ClickLogUnavailable(
            f"{log.refused:,} {rows} refused and nothing was sent; "
            f"line {first.line}: {first.reason}"
        )
