"""Draws ads that nobody waits for while there is nothing else to draw; they join the pool."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace

from adloom.loop.catalogue.pictures.store import UnknownPicture
from adloom.loop.catalogue.product import with_picture
from adloom.loop.serving import metrics
from adloom.loop.serving.drawing_queue import DrawingEnded, QueueFull
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.in_time.chosen import Found
from adloom.loop.serving.requests import AdRequest

_log = logging.getLogger("adloom.serve")

_LOOK_SECONDS = 0.05
_NEWEST = 0.2  # weight of the last ad in how long one takes

_Key = tuple[str, str, str]  # product, what draws, shopper


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
        most: int,
    ) -> None:
        """``room`` tells whether one more may be drawn now; ``join`` takes what is finished."""
        self._submit = submit
        self._room = room
        self._join = join
        self._most = most
        self._waiting: OrderedDict[_Key, Found] = OrderedDict()
        self._under_way: dict[_Key, Future[Ad]] = {}
        self._finished: list[tuple[Ad, Found]] = []
        self._lock = threading.RLock()  # what is done at once ends in its own beginning
        self._something = threading.Event()
        self.seconds = 0.0
        """How long one takes, of late; 0 while nobody knows."""
        metrics.BEHIND_WAITING.set_function(lambda: len(self._waiting))

    def draw(self, found: Found) -> Future[Ad] | None:
        """Draw one for this shopper, now or later. The one that is being drawn, if it is begun.

        Nobody may cancel it.
        """
        key = _key(found)
        with self._lock:
            if key in self._under_way:
                return self._under_way[key]
            if not self._waiting and self._room():
                return self._begin(key, found)
            self._waiting.pop(key, None)
            self._waiting[key] = found
            while len(self._waiting) > self._most:
                self._waiting.popitem(last=False)
                metrics.BEHIND_LEFT_OUT.inc()
        return None

    def run(self, stop: threading.Event) -> None:
        """Begin what waits, and let what is finished join, until ``stop`` is set."""
        while not stop.is_set():
            self._something.wait(_LOOK_SECONDS if self._waiting else 1.0)
            self._something.clear()
            with self._lock:
                while self._waiting and self._room():
                    key, found = self._waiting.popitem()  # the newest
                    self._begin(key, found)
            self.settle()

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

    def _begin(self, key: _Key, found: Found) -> Future[Ad] | None:
        request = replace(found.request, ad_id=None)
        with suppress(UnknownPicture):  # then its ad says so
            request = replace(request, product=with_picture(request.product))
        began = time.monotonic()
        try:
            drawing = self._submit(request)
        except (QueueFull, DrawingEnded):
            metrics.BEHIND_LEFT_OUT.inc()
            return None
        self._under_way[key] = drawing
        drawing.add_done_callback(lambda done: self._ended(key, found, done, began))
        return drawing

    def _ended(self, key: _Key, found: Found, done: Future[Ad], began: float) -> None:
        """In the thread that draws, which has other things to do."""
        with self._lock:
            self._under_way.pop(key, None)
            if not done.cancelled() and done.exception() is None:
                took = time.monotonic() - began
                self.seconds += (took - self.seconds) * (_NEWEST if self.seconds else 1.0)
                self._finished.append((done.result(), found))
            else:
                metrics.BEHIND_FAILED.inc()
        self._something.set()


def _key(found: Found) -> _Key:
    return found.request.product.product_id, found.drawn_by, found.request.user_id
