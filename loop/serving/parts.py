"""The parts of a running server: threads that are watched, and what is wrong with each."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Literal

from adloom.loop.serving.asking import Asked, answers_of
from adloom.stream.outages import Pauses

_log = logging.getLogger("adloom.serve")

Part = Literal[
    "events",
    "features",
    "products",
    "feed",
    "database",
    "pictures",
    "registry",
    "experiments",
    "drawing",
    "privacy",
    "pool",
    "behind",
]
"""What a server is made of: `events` are sent, `features` kept up to date and read, `products`
follow their topic, the `feed` is read anew, products and ads lie in the `database`, their
`pictures` in files; `privacy` is who is forgotten; finished ads are chosen from
a `pool`, for which others are drawn `behind`."""

_STEADY_SECONDS = 5.0  # a thread that ran so long is well again


class Parts:
    """The board of a server's parts. Safe to use from several threads.

    A problem is one line that says what is wrong and what to do. A part has the problem that it
    told of itself, the one that it tells when it is asked, and that of its thread.
    """

    def __init__(self, stop: threading.Event) -> None:
        """Threads end when ``stop`` is set."""
        self._stop = stop
        self._lock = threading.Lock()
        self._names: dict[Part, None] = {}
        self._told: dict[Part, str] = {}
        self._asked: dict[Part, Asked] = {}
        self._fell: dict[Part, tuple[str, float | None]] = {}  # why, and when it began again

    def run(self, name: Part, target: Callable[[], None]) -> threading.Thread:
        """Run ``target`` in a thread of its own until the server ends.

        What ends before, by an error that nobody foresaw or without one, is logged once, is a
        problem of the part, and is started again after pauses that grow.
        """
        self._know(name)
        thread = threading.Thread(target=self._run_on, args=(name, target), name=name, daemon=True)
        thread.start()
        return thread

    def ask(self, name: Part, problem: Callable[[], str | None]) -> None:
        """Ask ``problem`` for what is wrong with a part whenever somebody wants to know."""
        self._know(name)
        with self._lock:
            self._asked[name] = Asked(problem)

    def tell(self, name: Part, problem: str | None) -> None:
        """What is wrong with a part from now on; None: nothing. Logged where it is new."""
        self._know(name)
        with self._lock:
            before = self._told.pop(name, None)
            if problem is not None:
                self._told[name] = problem
        if problem is not None and problem != before:
            _log.warning("%s: %s", name, problem)
        elif problem is None and before is not None:
            _log.info("%s: all is well again", name)

    def problems(self) -> dict[str, str]:
        """What is wrong now, by part."""
        with self._lock:
            told, asked, fell = dict(self._told), dict(self._asked), dict(self._fell)
        answers = answers_of(asked)
        found: dict[str, str] = {}
        for name in self.names:
            began_again = fell[name][1] if name in fell else 0.0
            lines = [
                fell[name][0] if name in fell and _shaky(began_again) else None,
                told.get(name),
                answers.get(name),
            ]
            if any(lines):
                found[name] = "; ".join(dict.fromkeys(line for line in lines if line))
        return found

    @property
    def names(self) -> tuple[Part, ...]:
        """The parts that this server has."""
        with self._lock:
            return tuple(self._names)

    def _know(self, name: Part) -> None:
        with self._lock:
            self._names[name] = None

    def _run_on(self, name: Part, target: Callable[[], None]) -> None:
        pauses, logged = Pauses(), ""
        while True:
            began = time.monotonic()
            trace: BaseException | None = None
            try:
                target()
            except BaseException as error:  # whatever it is: an ended thread helps nobody
                trace = error
            if self._stop.is_set():
                return
            if not _shaky(began):
                pauses.end()
            why = "it ended" if trace is None else f"{type(trace).__name__}: {trace}"
            problem = f"its thread ended and is started again ({why}); the log says more"
            if why != logged:
                _log.error("%s: the thread ended: %s", name, why, exc_info=trace)
                logged = why
            self._note(name, problem, None)
            if self._stop.wait(pauses.next()):
                return
            self._note(name, problem, time.monotonic())

    def _note(self, name: Part, problem: str, began_again: float | None) -> None:
        with self._lock:
            self._fell[name] = problem, began_again


def _shaky(since: float | None) -> bool:
    """Whether a thread that began then may end again at once; None: it has not begun."""
    return since is None or time.monotonic() - since < _STEADY_SECONDS
