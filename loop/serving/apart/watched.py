"""Questions to a process that draws, which outlive it: the next one is asked them again, once."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from adloom.loop.serving import metrics
from adloom.loop.serving.apart.messages import (
    Answer,
    Asked,
    Begin,
    Begun,
    Call,
    Draw,
    Dropped,
    Failed,
    Said,
    ToServer,
)
from adloom.loop.serving.apart.news import News
from adloom.loop.serving.apart.process import Process

_log = logging.getLogger("adloom.serve")

_MOST_TRIES = 2
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 30.0
_STEADY_SECONDS = 60.0  # one that lived so long did not end over what it was asked first


class DrawingDied(RuntimeError):
    """The process that draws ended, and ended again, over this; or says nothing."""


@dataclass
class _Open:
    question: Draw | Call
    future: Future[Any]
    tries: int = 0


class Watched:
    """The process, and the next where it ends. For any number of threads."""

    def __init__(
        self, begin: Callable[[], Begin], read: Callable[[Draw | Call, Any], Any], news: News
    ) -> None:
        """``begin`` says what a process starts from, ``read`` makes its value of an answer.

        Neither waits; both are called in the thread that watches, but for the first ``begin``.
        ``news`` are told of all that is answered.
        """
        self.begun: Future[Begun] = Future()
        """What the first one loaded, or why it could not."""
        self.problem: str | None = None
        self._begin = begin
        self._read = read
        self._news = news
        self._open: dict[int, _Open] = {}
        self._numbers = itertools.count()
        self._lock = threading.RLock()
        self._not_loaded: Exception | None = None
        self._takes: Process | None = None  # the process, once it takes questions
        self._closed = threading.Event()
        self._process = Process(begin())
        self._thread = threading.Thread(target=self._watch, name="process that draws", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def asked(self) -> int:
        """Questions that are open."""
        return len(self._open)

    def ask(self, question: Draw | Call) -> Future[Any]:
        """The answer, in time; who cancels it, or settles it otherwise, is not answered."""
        future: Future[Any] = Future()
        with self._lock:
            if self._closed.is_set():
                future.cancel()
                return future
            number = next(self._numbers)
            self._open[number] = _Open(question, future)
            try:
                self._send(number)
            except Exception:  # it cannot be said
                del self._open[number]
                raise
        future.add_done_callback(lambda _: self._settled(number))
        return future

    def close(self) -> None:
        """End the process; what is still asked is cancelled."""
        with self._lock:
            self._closed.set()
            self._process.end()
            still = [one.future for one in self._open.values()]
            self._open.clear()
        for future in still:
            future.cancel()
        self._thread.join()

    def _send(self, number: int) -> None:
        if self._takes is not None:
            self._open[number].tries += 1
            with suppress(OSError):  # it has just ended: the next one is asked
                self._takes.send(Asked(number, self._open[number].question))

    def _settled(self, number: int) -> None:
        with self._lock:
            if self._open.pop(number, None) is not None and self._takes is not None:
                with suppress(OSError):
                    self._takes.send(Dropped(number))

    def _watch(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            began = time.monotonic()
            self._process.receive(self._take)
            with self._lock:  # first: nothing is sent to what is let go of
                self._takes, why = None, self._not_loaded
                self._not_loaded = None
            how = self._process.how_it_ended()
            if self._closed.is_set():
                return
            if not self.begun.done():
                self.begun.set_exception(why or DrawingDied(f"it ended while it loaded ({how})"))
                return
            self._tell(how, why)
            if time.monotonic() - began > _STEADY_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            while not self._closed.wait(pause) and not self._started_again():
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            if self._closed.is_set():
                return
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _tell(self, how: str, why: Exception | None) -> None:
        """Say that it ended, and to those that were asked twice that they get no answer."""
        with self._lock:
            over = {n: one for n, one in self._open.items() if one.tries >= _MOST_TRIES}
            for number in over:
                del self._open[number]
            still = len(self._open)
        cause = f"{why}" if why is not None else how
        self.problem = f"the process that draws has ended ({cause}) and is started again"
        _log.error(
            "%s; %d questions to it are asked again, %d are given up",
            self.problem,
            still,
            len(over),
        )
        for one in over.values():
            with suppress(InvalidStateError):
                one.future.set_exception(DrawingDied(f"what draws ended twice over it ({cause})"))
        self._news.tell()

    def _started_again(self) -> bool:
        with self._lock:
            if self._closed.is_set():
                return False
            metrics.DRAWING_RESTARTS.inc()
            try:
                self._process = Process(self._begin())
            except OSError as error:
                self.problem = f"the process that draws cannot be started again: {error}"
                return False
            return True

    def _take(self, message: ToServer) -> None:
        if isinstance(message, Answer):
            self._answer(message)
        elif isinstance(message, Said):
            logging.getLogger(message.logger).log(message.level, "%s", message.text)
        elif isinstance(message, Begun):
            self._loaded(message)
        elif isinstance(message, Failed):
            if self._takes is None:
                self._not_loaded = message.error
            else:
                self._news.tell(message.error)

    def _loaded(self, begun: Begun) -> None:
        if self.begun.done() and begun != self.begun.result():
            self._not_loaded = ValueError("generator.path holds another base now")
            self._process.end()
            return
        with self._lock:
            self._takes, self.problem = self._process, None
            for number in self._open:
                self._send(number)
        if self.begun.done():
            _log.warning("the process that draws runs again: its number is %d", self._process.pid)
        else:
            self.begun.set_result(begun)

    def _answer(self, answer: Answer) -> None:
        with self._lock:
            one = self._open.pop(answer.number, None)
        if one is None:
            return
        with suppress(InvalidStateError):  # nobody waits any more
            if answer.error is not None:
                one.future.set_exception(answer.error)
            else:
                one.future.set_result(self._read(one.question, answer.value))
        self._news.tell()
