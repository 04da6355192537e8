"""What happens where more clients come than the server has connections for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from adloom.loop.serving.edge.bounds import HEALTH_PATHS
from adloom.loop.serving.metrics import REFUSED

TOO_MANY = "too many connections (serve.max_connections)"


class Waiting(Protocol):
    """What can be told of a connection."""

    turn: int
    """Counts connections in the order in which they began to wait; clocks tell many as one."""

    @property
    def at_work(self) -> bool:
        """A request has come whose answer is not sent yet."""


_Connection = TypeVar("_Connection", bound=Waiting)


def longest_waiting(connections: Iterable[_Connection]) -> _Connection | None:
    """The connection that has waited longest for its client; None where all are at work."""
    waiting = (one for one in connections if not one.at_work)
    return min(waiting, key=lambda one: one.turn, default=None)


def only_health(app: ASGIApp) -> ASGIApp:
    """An application that answers nothing but health."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in HEALTH_PATHS:
            await app(scope, receive, send)
            return
        REFUSED.labels("connections").inc()
        headers = {"Retry-After": "1", "Connection": "close"}
        refusal = JSONResponse({"detail": TOO_MANY}, status_code=503, headers=headers)
        await refusal(scope, receive, send)

    return answer
