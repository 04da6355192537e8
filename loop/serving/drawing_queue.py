"""Requests that arrive one by one join a running batch as soon as it has room."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field, replace
from typing import Any

from adloom.loop.serving import metrics
from adloom.loop.serving.ad_metrics import count_ad
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.requests import AdRequest
from adloom.loop.serving.steps import StepTaken, since

_log = logging.getLogger("adloom.serve")

_STEPS_FAILED = 3  # one after the other, and it is not for this ad or that


class QueueFull(RuntimeError):
    """Too many requests wait already."""


class DrawingEnded(RuntimeError):
    """Nothing draws any more; the server has to be started again."""


@dataclass(frozen=True)
class _Waiting:
    request: AdRequest
    promised: Future[Ad]
    since: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class _Drawing:
    promised: Future[Ad]
    started: Future[Ad]
    waited: StepTaken


class DrawingQueue:
    """One thread that draws up to ``max_batch`` requests at a time.

    A request that arrives while others are drawn joins them between two steps. Close it, or use
    it as a context manager: requests that still wait then fail with ``CancelledError``. Who
    cancels a future that is not done gets no ad, and it is drawn no further.
    """

    def __init__(
        self,
        start: Callable[[Sequence[AdRequest]], Sequence[Future[Ad]]],
        step: Callable[[], None],
        *,
        max_batch: int,
        max_waiting: int,
        wake: Callable[[], None] = lambda: None,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        """``start`` lets requests join, ``step`` draws on: see
        :class:`adloom.loop.serving.ads.AdMaker`. ``wake`` lets a step that waits end.

        ``prepare`` is called first, in the thread that draws; what it raises is raised here.
        """
        self._start = start
        self._step = step
        self._wake = wake
        self._max_batch = max_batch
        self._running: list[_Drawing] = []
        self._beside: list[Future[Any]] = []
        self._closed = False
        self._ended: BaseException | None = None
        self._failed: list[BaseException] = []  # of steps, one after the other
        self._waiting: queue.Queue[_Waiting | None] = queue.Queue(max_waiting)  # None wakes
        metrics.BATCH_LIMIT.set(max_batch)
        metrics.QUEUE_LIMIT.set(max_waiting)
        metrics.QUEUE_WAITING.set_function(self._waiting.qsize)
        ready: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(prepare, ready), name="drawing", daemon=True
        )
        self._thread.start()
        ready.result()

    def submit(self, request: AdRequest) -> Future[Ad]:
        """Queue a request.

        Raises:
            QueueFull: ``max_waiting`` requests wait already.
            DrawingEnded: nobody would ever draw it.
        """
        if not self.alive:
            raise DrawingEnded(self.problem)
        waiting = _Waiting(request, Future())
        try:
            self._waiting.put_nowait(waiting)
        except queue.Full:
            raise QueueFull(f"{self._waiting.maxsize} requests wait already") from None
        self._wake()
        if self._ended is not None:  # meanwhile: nobody takes it out any more
            self._fail_all(self._ended)
        return waiting.promised

    def draw(self, drawing: Future[Any]) -> None:
        """Step until what the generator draws for this future is done, beside the requests."""
        self._beside.append(drawing)
        with contextlib.suppress(queue.Full):  # with requests at hand it does not sleep
            self._waiting.put_nowait(None)
        self._wake()

    @property
    def alive(self) -> bool:
        """True while requests are being drawn."""
        return self._thread.is_alive()

    @property
    def problem(self) -> str | None:
        """Why no ad can be drawn, in one line; None while they can."""
        if self._ended is not None:
            return f"the drawing thread has ended ({_told(self._ended)}): start the server again"
        if not self.alive:
            return "the drawing thread has ended"
        if len(self._failed) >= _STEPS_FAILED:
            return (
                f"the last {len(self._failed)} tries to draw failed ({_told(self._failed[-1])}); "
                "the log says more"
            )
        return None

    @property
    def waiting(self) -> int:
        """Requests that no drawing has begun for."""
        return self._waiting.qsize()

    @property
    def has_room(self) -> bool:
        """Whether one more could be drawn now without anybody waiting for it."""
        return self._waiting.empty() and len(self._running) < self._max_batch

    def close(self) -> None:
        """Finish the ads in hand, cancel what waits, end the thread."""
        self._closed = True
        while self._thread.is_alive():
            try:
                waiting = self._waiting.get_nowait()
                if waiting is not None:
                    waiting.promised.cancel()
            except queue.Empty:
                self._waiting.put(None)
                self._thread.join()

    def __enter__(self) -> DrawingQueue:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _run(self, prepare: Callable[[], None], ready: Future[None]) -> None:
        try:
            prepare()
        except BaseException as error:
            ready.set_exception(error)
            return
        ready.set_result(None)
        try:
            self._draw_until_closed()
        except BaseException as error:
            _log.critical("the drawing thread has ended: %s", _told(error), exc_info=error)
            self._ended = error
            self._fail_all(error)

    def _fail_all(self, error: BaseException) -> None:
        """Whoever waits is told now and not by a time-out."""
        ended = DrawingEnded(self.problem)
        ended.__cause__ = error
        for one in self._running:
            one.started.cancel()
            _fail(one.promised, ended)
        self._running = []
        with contextlib.suppress(queue.Empty):
            while True:
                waiting = self._waiting.get_nowait()
                if waiting is not None:
                    _fail(waiting.promised, ended)

    def _draw_until_closed(self) -> None:
        open_ = True
        while open_ or self._running or self._beside:
            arrived: list[_Waiting] = []
            while open_ and len(self._running) + len(arrived) < self._max_batch:
                idle = not (self._running or arrived or self._beside)
                if not idle and self._waiting.empty():
                    break
                following = self._waiting.get()
                if following is None:
                    open_ = not self._closed
                    break
                arrived.append(following)
            self._join([one for one in arrived if not one.promised.cancelled()])
            if self._running or self._beside:
                self._draw_on()

    def _join(self, arrived: Sequence[_Waiting]) -> None:
        if not arrived:
            return
        waited = [since("wait", one.since) for one in arrived]
        try:
            started = self._start([one.request for one in arrived])
        except BaseException as error:
            for one in arrived:
                _fail(one.promised, error)
            self._note_failed(error)
        else:
            self._running += [
                _Drawing(one.promised, future, step)
                for one, future, step in zip(arrived, started, waited, strict=True)
            ]

    def _note_failed(self, error: BaseException) -> None:
        """The thread must outlive what fails; raises what nothing outlives."""
        if not isinstance(error, Exception):
            raise error
        self._failed = [*self._failed[-_STEPS_FAILED + 1 :], error]
        if len(self._failed) < _STEPS_FAILED:
            _log.error("a step of drawing failed: %s", _told(error), exc_info=error)

    def _draw_on(self) -> None:
        for one in self._running:
            if one.promised.cancelled():
                one.started.cancel()
        if self._running:
            metrics.BATCH_ADS.observe(len(self._running))
        try:
            self._step()
        except Exception as error:
            self._note_failed(error)
            for one in self._running:
                one.started.cancel()
                _fail(one.promised, error)
            self._running.clear()
            for drawing in self._beside:
                with contextlib.suppress(InvalidStateError):
                    drawing.set_exception(error)
        still: list[_Drawing] = []
        for one in self._running:
            if not one.started.done():
                still.append(one)
            elif one.started.cancelled() or one.promised.cancelled():
                continue
            elif (failure := one.started.exception()) is not None:
                _fail(one.promised, failure)
            elif one.promised.set_running_or_notify_cancel():
                ad = one.started.result()
                ad = replace(ad, steps=(one.waited, *ad.steps))
                count_ad(ad)
                self._failed.clear()
                one.promised.set_result(ad)
        self._running = still
        for drawing in [drawing for drawing in self._beside if drawing.done()]:
            self._beside.remove(drawing)


def _fail(promised: Future[Ad], error: BaseException) -> None:
    """Unless nobody waits for it any more."""
    with contextlib.suppress(InvalidStateError):  # it has an answer
        if promised.set_running_or_notify_cancel():
            promised.set_exception(error)


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip(": ")
