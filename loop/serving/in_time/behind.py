"""Draws ads that nobody waits for while there is nothing else to draw; they join the pool."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from dataclasses import replace

from adloom.loop.catalogue.creatives.store import Creative
from adloom.loop.catalogue.pictures.store import UnknownPicture
from adloom.loop.catalogue.product import with_picture
from adloom.loop.serving import metrics
from adloom.loop.serving.drawing_queue import DrawingEnded, QueueFull
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.in_time.chosen import Found
from adloom.loop.serving.kept_ads import NotShown
from adloom.loop.serving.requests import AdRequest

_log = logging.getLogger("adloom.serve")

_LOOK_SECONDS = 0.05
_NEWEST = 0.2  # weight of the last ad in how long one takes

_Key = tuple[str, str, str, bool]  # product, what draws, shopper, whether clicks count


class Behind:
    """Ads on their way into the pool: each shopper's of a product once at a time.

    What cannot be begun at once waits, up to ``most``; beyond that the oldest are left out, since
    newer requests tell better what is needed.
    """

    def __init__(
        self,
        submit: Callable[[AdRequest], Future[Ad]],
        room: Callable[[], bool],
        join: Callable[[Ad, Found], None],
        held: Callable[[Creative, Found], None],
        most: int,
    ) -> None:
        """``room`` tells whether one more may be drawn now; ``join`` takes what is finished,
        ``held`` at once what may not be shown, in the thread that draws."""
        self._submit = submit
        self._room = room
        self._join = join
        self._held = held
        self._most = most
        self._waiting: OrderedDict[_Key, tuple[Found, Future[Ad]]] = OrderedDict()
        self._under_way: dict[_Key, Future[Ad]] = {}
        self._finished: list[tuple[Ad, Found]] = []
        self._lock = threading.Lock()
        self._something = threading.Event()
        self.seconds = 0.0
        """How long one takes, of late; 0 while nobody knows."""
        metrics.BEHIND_WAITING.set_function(lambda: len(self._waiting))

    @property
    def under_way(self) -> int:
        """How many wait to be drawn, or are being drawn."""
        with self._lock:
            return len(self._waiting) + len(self._under_way)

    def draw(self, found: Found) -> Future[Ad]:
        """Draw one for this shopper, now or later; the same while one is on its way.

        It waits for nothing. One that is left out is cancelled; nobody else may cancel it.
        """
        key = _key(found)
        with self._lock:
            if key in self._under_way:
                return self._under_way[key]
            _, promised = self._waiting.pop(key, (found, Future[Ad]()))
            self._waiting[key] = found, promised
            while len(self._waiting) > self._most:
                _, (_, left_out) = self._waiting.popitem(last=False)
                left_out.cancel()
                metrics.BEHIND_LEFT_OUT.inc()
        self._something.set()
        return promised

    def run(self, stop: threading.Event) -> None:
        """Begin what waits, and let what is finished join, until ``stop`` is set."""
        while not stop.is_set():
            self._something.wait(_LOOK_SECONDS if self._waiting else 1.0)
            self._something.clear()
            self.begin()
            self.settle()

    def begin(self) -> None:
        """Begin what waits, the newest first, as far as there is room."""
        while self._room():
            with self._lock:
                if not self._waiting:
                    return
                key, (found, promised) = self._waiting.popitem()
                self._under_way[key] = promised
            self._begin(key, found, promised)

    def settle(self) -> None:
        """Let what is finished join the pool."""
        with self._lock:
            finished, self._finished = self._finished, []
        for ad, found in finished:
            try:
                self._join(ad, found)
            except Exception:
                metrics.BEHIND_FAILED.inc()
                _log.exception("an ad could not join the pool")

    def _begin(self, key: _Key, found: Found, promised: Future[Ad]) -> None:
        request = replace(found.request, ad_id=None)
        began = time.monotonic()
        try:
            with suppress(UnknownPicture):  # then its ad says so
                request = replace(request, product=with_picture(request.product))
            drawing = self._submit(request)
        except Exception as error:  # its own: the others are begun
            with self._lock:
                self._under_way.pop(key, None)
            if isinstance(error, (QueueFull, DrawingEnded)):
                promised.cancel()
                metrics.BEHIND_LEFT_OUT.inc()
            else:
                _keep(promised, error)
                metrics.BEHIND_FAILED.inc()
            return
        drawing.add_done_callback(lambda done: self._ended(key, found, promised, done, began))

    def _ended(
        self, key: _Key, found: Found, promised: Future[Ad], done: Future[Ad], began: float
    ) -> None:
        """In the thread that draws, which has other things to do."""
        error = CancelledError() if done.cancelled() else done.exception()
        held = isinstance(error, NotShown)
        with self._lock:
            self._under_way.pop(key, None)
            if error is None or held:
                took = time.monotonic() - began
                self.seconds += (took - self.seconds) * (_NEWEST if self.seconds else 1.0)
            if error is None:
                self._finished.append((done.result(), found))
        if isinstance(error, NotShown):
            self._held(error.creative, found)
        elif error is not None:
            metrics.BEHIND_FAILED.inc()
        _keep(promised, done.result() if error is None else error)
        self._something.set()


def _keep(promised: Future[Ad], made: Ad | BaseException) -> None:
    """Unless nobody waits for it any more."""
    with suppress(InvalidStateError):
        if isinstance(made, BaseException):
            promised.set_exception(made)
        else:
            promised.set_result(made)


def _key(found: Found) -> _Key:
    request = found.request
    return request.product.product_id, found.drawn_by, request.user_id, request.personalised
