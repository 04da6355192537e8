"""Appends behind a reader of the stream, in commits of seconds: nothing else waits for a disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from adloom.feature_store.logged import LoggedEvent
from adloom.feature_store.progress import Reached

_MOST_WAITING = 100_000
"""Events; whoever brings more waits for their commit."""
_FIRST_COMMIT_EVENTS = 50_000
"""So many are committed before their time: half of what may wait."""

_Stream = tuple[str, int, str]

Append = Callable[[Sequence[LoggedEvent], Sequence[Reached]], None]


class LogWriter:
    """Use it from one thread; `flush` from any."""

    def __init__(self, append: Append, seconds: float) -> None:
        self._append, self._seconds = append, seconds
        self._events: list[LoggedEvent] = []
        self._reached: dict[_Stream, Reached] = {}
        self._settled: dict[_Stream, Reached] = {}
        self._committed_at = float("-inf")
        self._failed = False
        self._waiting, self._committing = threading.Lock(), threading.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="log")
        self._commit: Future[None] | None = None

    @property
    def waits(self) -> bool:
        """Whether something of what was given is not in the log yet."""
        return bool(self._reached) or (self._commit is not None and not self._commit.done())

    def add(self, events: Sequence[LoggedEvent], reached: Sequence[Reached]) -> None:
        """Takes events and how far they take partitions, in the order they were read."""
        with self._waiting:
            self._events += events
            self._reached |= {place[:3]: place for place in reached}
        if len(self._events) >= _MOST_WAITING:
            self.flush()

    def tend(self, idle: bool = False) -> list[Reached]:
        """Begins a commit where one is due; gives how far partitions are in the log since.

        Args:
            idle: there is time to wait for its end.

        Raises what the last commit failed by: what it had is tried again with the next.
        """
        if self._reached and self._is_due() and (self._commit is None or self._commit.done()):
            self._raise_failure()
            self._commit = self._thread.submit(self.flush)
            if idle:
                self._commit.exception()
        self._raise_failure()
        return self.settled()

    def settled(self) -> list[Reached]:
        """How far partitions are in the log, where that was not told yet."""
        with self._waiting:
            settled, self._settled = list(self._settled.values()), {}
        return settled

    def flush(self) -> None:
        """Commits all that was given; waits for it. Raises LogUnavailable."""
        with self._committing:
            with self._waiting:
                events, reached = self._events, self._reached
                self._events, self._reached = [], {}
            if not reached:
                return
            try:
                self._append(events, list(reached.values()))
            except BaseException:
                self._failed = True
                with self._waiting:
                    self._events, self._reached = events + self._events, reached | self._reached
                raise
            self._failed = False
            self._committed_at = time.monotonic()
            with self._waiting:
                self._settled |= reached

    def close(self) -> list[Reached]:
        """Commits what is left, and gives what is settled by it; nothing where that just failed.

        What is not in the log by then never comes from here: the stream brings it again.
        """
        self._thread.shutdown()
        try:
            if not self._failed:
                self.flush()
        finally:
            with self._committing, self._waiting:
                self._events, self._reached = [], {}
        return self.settled()

    def _is_due(self) -> bool:
        since = time.monotonic() - self._committed_at
        return since >= self._seconds or len(self._events) >= _FIRST_COMMIT_EVENTS

    def _raise_failure(self) -> None:
        commit = self._commit
        if commit is not None and commit.done():
            self._commit = None
            commit.result()
