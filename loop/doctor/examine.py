"""All parts are looked at side by side, and none is waited for longer than its time."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence

from adloom.loop.doctor.finding import Check, Finding

SECONDS = 10.0
"""What a part has to answer; a part that has not by then is told so."""


def examine(
    checks: Sequence[Check],
    in_words: Callable[[Exception], str | None],
    seconds: float = SECONDS,
) -> list[Finding]:
    """What each look found, in the order of the checks.

    Args:
        in_words: what an error says to who can mend it; None: it is nobody's to mend, and told by
            its kind.
        seconds: what each look has; those that hang are left behind, in threads that keep no
            program alive.
    """
    looks = [_Look(check, in_words) for check in checks]
    ends = time.monotonic() + seconds
    for look in looks:
        look.thread.join(max(0.0, ends - time.monotonic()))
    return [finding for look in looks for finding in look.found(seconds)]


class _Look:
    def __init__(self, check: Check, in_words: Callable[[Exception], str | None]) -> None:
        self._check, self._in_words = check, in_words
        self._findings: list[Finding] = []
        self._done = False
        self.thread = threading.Thread(target=self._run, name=check.part, daemon=True)
        self.thread.start()

    def found(self, seconds: float) -> list[Finding]:
        findings = list(self._findings)
        if not self._done:
            told = (
                f"no answer within {seconds:g} s: see that it runs and is within reach, and to "
                f"{self._check.settings}"
            )
            findings.append(Finding(self._check.part, self._check.where, "wrong", told))
        return findings

    def _run(self) -> None:
        try:
            # Whoever looks closes what it opened at the end of the look.
            with contextlib.closing(self._check.look()) as findings:  # type: ignore[type-var]
                for finding in findings:
                    self._findings.append(finding)
        except Exception as error:
            told = self._in_words(error)
            if told is None:
                told = f"{type(error).__name__}: {error}; see {self._check.settings}"
            line = " ".join(told.split())
            self._findings.append(Finding(self._check.part, self._check.where, "wrong", line))
        self._done = True
