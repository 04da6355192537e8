"""A click log read to its end, and nothing sent."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from adloom.loop.replay.click_log import ClickLog
from adloom.loop.replay.errors import ClickLogUnavailable
from adloom.loop.replay.layout import Layout

_ROWS_AT_ONCE = 5_000
_BEGINNING, _ENDLESS = (end.replace(tzinfo=UTC) for end in (datetime.min, datetime.max))

Told = Callable[[float, int], object]
"""Called with the part of the file that was read, 0 to 1, and the number of events."""


@dataclass(frozen=True)
class CheckedFile:
    """A file of which every row is known to be an event, or to be none.

    Attributes:
        log: what is refused and left out.
        events: how many there are.
        checked_at: what is later than this is refused.
        first: the earliest moment of an event; None where there is no event.
        last: the latest one.
    """

    file: Path
    layout: Layout
    log: ClickLog
    events: int
    checked_at: datetime
    first: datetime | None
    last: datetime | None
    _stamp: tuple[int, int] = field(repr=False)

    def again(self) -> ClickLog:
        """The rows once more. Raises ClickLogUnavailable where they are others by now."""
        if _stamp(self.file) != self._stamp:
            raise ClickLogUnavailable(
                f"{self.file} was written while it was read, and nothing was sent: replay a copy"
            )
        return ClickLog.of(self.file, self.layout)


def check_file(
    file: Path, layout: Layout | None = None, told: Told = lambda *_: None
) -> CheckedFile:
    """Reads a click log to its end and sends nothing.

    Raises ClickLogUnavailable, UnknownLayout.
    """
    layout = layout or Layout()
    stamp, now = _stamp(file), datetime.now(UTC)
    log = ClickLog.of(file, layout)
    count, first, last = 0, _ENDLESS, _BEGINNING
    for row in log.events("check", now):
        count += len(row.events)
        for event in row.events:
            first, last = min(first, event.ts), max(last, event.ts)
        if count % _ROWS_AT_ONCE < len(row.events):
            told(row.part, count)
    told(1.0, count)
    if not count:
        return CheckedFile(file, layout, log, 0, now, None, None, stamp)
    return CheckedFile(file, layout, log, count, now, first, last, stamp)


def refuse_any(log: ClickLog) -> None:
    """Raises ClickLogUnavailable when a row of a log that was read is refused."""
    if log.refused:
        first = log.refusals[0]
        rows = "row is" if log.refused == 1 else "rows are"
        raise ClickLogUnavailable(
            f"{log.refused:,} {rows} refused and nothing was sent; "
            f"line {first.line}: {first.reason}"
        )


def _stamp(file: Path) -> tuple[int, int]:
    """Size and time of the last change. Raises ClickLogUnavailable."""
    try:
        known = os.stat(file)
    except OSError as error:
        raise ClickLogUnavailable(f"{file} cannot be read as a click log: {error}") from error
    return known.st_size, known.st_mtime_ns
