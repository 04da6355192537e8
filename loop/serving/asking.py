"""What is wrong with a part of a server, asked without waiting for one that does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

_Name = TypeVar("_Name", bound=str)

_PATIENCE_SECONDS = 5.0  # a load balancer that asks how a server is waits little longer


class Asked:
    """A part that can be asked. Safe to use from several threads."""

    def __init__(self, problem: Callable[[], str | None]) -> None:
        self._problem = problem
        self._lock = threading.Lock()
        self._open: _Answer | None = None

    def ask(self) -> _Answer:
        """Begin to ask; who asks while it is thought about gets the same answer.

        So one thread at most waits for a part that hangs, however often it is asked.
        """
        with self._lock:
            if self._open is None or self._open.there.is_set():
                self._open = answer = _Answer()
                threading.Thread(target=self._find_out, args=(answer,), daemon=True).start()
            return self._open

    def _find_out(self, answer: _Answer) -> None:
        try:
            answer.problem = self._problem()
        except Exception as error:
            answer.problem = f"it does not say how it is ({type(error).__name__}: {error})"
        finally:
            answer.there.set()


class _Answer:
    def __init__(self) -> None:
        self.there = threading.Event()
        self.problem: str | None = None


def answers_of(asked: Mapping[_Name, Asked]) -> dict[_Name, str | None]:
    """What is wrong with each, all asked at once; who cannot say has a problem, too."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    answers = {name: one.ask() for name, one in asked.items()}
    return {name: _read(answer, deadline) for name, answer in answers.items()}


def _read(answer: _Answer, deadline: float) -> str | None:
    if answer.there.wait(max(0.0, deadline - time.monotonic())):
        return answer.problem
    return f"it does not answer within {_PATIENCE_SECONDS:g} seconds"
