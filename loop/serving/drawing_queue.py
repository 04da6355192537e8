"""Requests that arrive one by one join a running batch as soon as it has room."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from adloom.loop.serving.ads import Ad
from adloom.loop.serving.requests import AdRequest


class QueueFull(RuntimeError):
    """Too many requests wait already."""


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
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        """``start`` lets requests join, ``step`` draws on: see
        :class:`adloom.loop.serving.ads.AdMaker`.

        ``prepare`` is called first, in the thread that draws; what it raises is raised here.
        """
        self._start = start
        self._step = step
        self._max_batch = max_batch
        self._running: list[tuple[Future[Ad], Future[Ad]]] = []
        self._waiting: queue.Queue[tuple[AdRequest, Future[Ad]] | None] = queue.Queue(max_waiting)
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
        """
        future: Future[Ad] = Future()
        try:
            self._waiting.put_nowait((request, future))
        except queue.Full:
            raise QueueFull(f"{self._waiting.maxsize} requests wait already") from None
        return future

    @property
    def alive(self) -> bool:
        """True while requests are being drawn."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Requests that no drawing has begun for."""
        return self._waiting.qsize()

    def close(self) -> None:
        """Finish the ads in hand, cancel what waits, end the thread."""
        while self._thread.is_alive():
            try:
                _, future = self._waiting.get_nowait() or (None, None)
                if future is not None:
                    future.cancel()
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
        open_ = True
        while open_ or self._running:
            arrived: list[tuple[AdRequest, Future[Ad]]] = []
            while open_ and len(self._running) + len(arrived) < self._max_batch:
                idle = not (self._running or arrived)
                if not idle and self._waiting.empty():
                    break
                following = self._waiting.get()
                if following is None:
                    open_ = False
                else:
                    arrived.append(following)
            self._join([(r, f) for r, f in arrived if not f.cancelled()])
            if self._running:
                self._draw_on()

    def _join(self, arrived: list[tuple[AdRequest, Future[Ad]]]) -> None:
        if not arrived:
            return
        try:
            started = self._start([request for request, _ in arrived])
        except Exception as error:  # the thread must outlive what fails
            for _, future in arrived:
                _fail(future, error)
        else:
            promised = [future for _, future in arrived]
            self._running += zip(promised, started, strict=True)

    def _draw_on(self) -> None:
        for promised, started in self._running:
            if promised.cancelled():
                started.cancel()
        try:
            self._step()
        except Exception as error:
            for promised, started in self._running:
                started.cancel()
                _fail(promised, error)
            self._running.clear()
        still: list[tuple[Future[Ad], Future[Ad]]] = []
        for promised, started in self._running:
            if not started.done():
                still.append((promised, started))
            elif started.cancelled() or promised.cancelled():
                continue
            elif (failure := started.exception()) is not None:
                _fail(promised, failure)
            elif promised.set_running_or_notify_cancel():
                promised.set_result(started.result())
        self._running = still


def _fail(promised: Future[Ad], error: BaseException) -> None:
    """Unless nobody waits for it any more."""
    if promised.set_running_or_notify_cancel():
        promised.set_exception(error)
