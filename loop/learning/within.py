"""A clock beside a question that has no limit of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from contextvars import copy_context
from typing import TypeVar

from requests import Timeout

LIMIT_SECONDS = 10.0
"""What a question to MLflow takes at most, with its retries."""

TIMEOUT_VARIABLE, SILENCE_SECONDS = "MLFLOW_HTTP_REQUEST_TIMEOUT", "9"
"""MLflow's variable for one request, and what it is where its user has not set it."""

_Answer = TypeVar("_Answer")


def within(seconds: float | None, ask: Callable[[], _Answer]) -> _Answer:
    """The answer. Raises Timeout; the thread that waits ends by MLflow's own limits then."""
    if seconds is None:
        return ask()
    answer: Future[_Answer] = Future()
    context = copy_context()

    def wait() -> None:
        try:
            answer.set_result(context.run(ask))
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=wait, name="mlflow", daemon=True).start()
    try:
        return answer.result(seconds)
    except TooLate:
        raise Timeout(f"no answer within {seconds:g} s") from None
