"""Requests that arrive one by one, drawn together: what waits makes the next batch."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from loop.ads import Ad, AdRequest


class QueueFull(RuntimeError):
    """Too many requests wait already."""


class DrawingQueue:
    """One thread that draws batches of up to ``max_batch`` requests.

    While a batch is drawn the next one gathers, so nobody waits for a timer. Close it, or use
    it as a context manager: requests that still wait then fail with ``CancelledError``.
    """

    def __init__(
        self,
        draw: Callable[[Sequence[AdRequest]], list[Ad]],
        *,
        max_batch: int,
        max_waiting: int,
    ) -> None:
        self._draw = draw
        self._max_batch = max_batch
        self._waiting: queue.Queue[tuple[AdRequest, Future[Ad]] | None] = queue.Queue(max_waiting)
        self._thread = threading.Thread(target=self._run, name="drawing", daemon=True)
        self._thread.start()

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

    def close(self) -> None:
        """Finish the batch in hand, cancel what waits, end the thread."""
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

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch = [first]
            stop = False
            while len(batch) < self._max_batch and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    stop = True
                    break
                batch.append(following)
            self._answer([(r, f) for r, f in batch if f.set_running_or_notify_cancel()])
            if stop:
                return

    def _answer(self, batch: list[tuple[AdRequest, Future[Ad]]]) -> None:
        if not batch:
            return
        try:
            ads = self._draw([request for request, _ in batch])
        except Exception as error:  # the thread must outlive a failed batch
            for _, future in batch:
                future.set_exception(error)
        else:
            for (_, future), ad in zip(batch, ads, strict=True):
                future.set_result(ad)
