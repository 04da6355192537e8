"""Threads for what may wait for others: of each kind of work its own, so that none stops another.

What answers `/healthz`, `/readyz` and `/metrics` shares none with anything else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Request

from adloom.loop.serving.http.looking import Look

_In = ParamSpec("_In")
_Out = TypeVar("_Out")


class NoRoom(RuntimeError):
    """As many as may wait for a pool do; the message says for what."""


class Pool:
    """So many threads, and so many calls that may wait for one."""

    def __init__(self, doing: str, threads: int, waiting: int) -> None:
        self._doing = doing
        self._limiter = CapacityLimiter(threads)
        self._most = threads + waiting
        self._calls = 0

    async def run(self, call: Callable[_In, _Out], *args: _In.args, **named: _In.kwargs) -> _Out:
        """What the call returns, made in a thread. Raises NoRoom, and what the call raises."""
        if self._calls >= self._most:
            raise NoRoom(f"{self._calls} requests wait already: {self._doing}")
        self._calls += 1
        try:
            return await to_thread.run_sync(partial(call, *args, **named), limiter=self._limiter)
        finally:
            self._calls -= 1


@dataclass(frozen=True)
class Pools:
    """One for what an ad needs, for pictures, for cards, for events of pages, for metrics, for
    users who are forgotten."""

    ads: Pool
    pictures: Pool
    cards: Pool
    events: Pool
    metrics: Pool
    forgetting: Pool
    readiness: Look


def new_pools(waiting: int) -> Pools:
    """Pools where so many calls may wait for threads."""
    return Pools(
        ads=Pool("ads are looked up and stored", 8, waiting),
        pictures=Pool("pictures are read", 16, waiting),
        cards=Pool("cards of ads are drawn", 2, waiting),  # it computes: ads need the cores
        events=Pool("events are on their way to the broker", 32, waiting),
        metrics=Pool("metrics are read", 2, waiting),
        forgetting=Pool("users are forgotten, one after the other", 1, waiting),
        readiness=Look(),
    )


def pools(request: Request) -> Pools:
    """Of the application that answers the request."""
    found: Pools = request.app.state.pools
    return found
