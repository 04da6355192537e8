"""Asks a shop as a gate before its servers does, and looks at every answer on the way."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from typing import Any, NamedTuple

import httpx

from tests.deployment.shop import SERVERS, Shop

_HANGS_SECONDS = 90.0
_LATER = {429, 503}
_REFUSED = {*_LATER, 504}


class Answered(NamedTuple):
    """Who answered, in which of its lives."""

    answer: httpx.Response
    server: str
    life: int


class Gate:
    """What one server does not answer, or has no part for, is asked of the other.

    Attributes:
        answers: how many there were, by path and status; 0 where a server was killed meanwhile.
        faults: answers that nobody should get.
    """

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._turn = itertools.count()
        self._lock = threading.Lock()
        self.answers: Counter[tuple[str, int]] = Counter()
        self.faults: list[str] = []

    def ask(self, method: str, path: str, **given: Any) -> Answered | None:
        """None: each refused it, or was away."""
        first = next(self._turn) % 2
        for server in (SERVERS[first], SERVERS[1 - first]):
            if (found := self.ask_one(server, method, path, **given)) is not None:
                return found
        return None

    def ask_one(self, server: str, method: str, path: str, **given: Any) -> Answered | None:
        """None: it refused in words, or was killed."""
        life, status = self._shop.lives[server], 0
        fault, away, began = None, self._shop.away, time.monotonic()
        try:
            url = self._shop.url(server) + path
            answer = httpx.request(method, url, timeout=_HANGS_SECONDS, **given)
            status = answer.status_code
            if status < 400:
                return Answered(answer, server, life)
            told = status in _REFUSED and answer.json().get("detail")
            if not told or (status in _LATER and "retry-after" not in answer.headers):
                fault = f"{status} {answer.headers} {answer.text}"
        except httpx.TransportError as error:
            if isinstance(error, httpx.TimeoutException) or not self._shop.may_fail(server, life):
                fault = f"{type(error).__name__} {error}"
        finally:
            with self._lock:
                self.answers[path, status] += 1
                if fault is not None:
                    seconds = time.monotonic() - began
                    self.faults.append(
                        f"{server}, without {away}, after {seconds:.0f} s: {method} {path}: {fault}"
                    )
        return None
