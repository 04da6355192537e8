"""Clocks of other machines beside this one's."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_Answer = TypeVar("_Answer")
_NOTED_SECONDS, _WRONG_SECONDS = 5.0, 60.0


class Clock:
    """What a look learns of another clock."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        """``now``: seconds since 1970 by this machine."""
        self.told = "its clock is not known"
        self.wrong: list[str] = []
        self.notes: list[str] = []
        self._now = now

    def hold(self, ask: Callable[[], tuple[_Answer, float | None]], grain: float = 0.0) -> _Answer:
        """Ask for an answer and the other's seconds since 1970, which are held against ours.

        Args:
            grain: the other tells full steps of so many seconds.
        """
        before = self._now()
        answer, theirs = ask()
        after = self._now()
        if theirs is not None:
            self._judge(theirs, before, after, grain)
        return answer

    def _judge(self, theirs: float, before: float, after: float, grain: float) -> None:
        if theirs > after:
            apart, word = theirs - after, "ahead"
        else:
            apart, word = max(0.0, before - theirs - grain), "behind"
        self.told = f"its clock {apart:.1f} s {word}" if apart >= 0.1 else "its clock as ours"
        told = f"its clock is {apart:,.0f} s {word} of this machine's: set both by NTP"
        if apart >= _WRONG_SECONDS:
            self.wrong.append(told)
        elif apart >= _NOTED_SECONDS:
            self.notes.append(told)
