"""HTTP/1.1 as the ad server speaks it: uvicorn's protocol with bounds on what a client may cost.

The parser takes heads of any size and length of time, and joins a header that comes in pieces at
a cost that grows with the square of its size: then nobody else is answered meanwhile.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from itertools import count
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from adloom.loop.serving.edge.bounds import Bounds
from adloom.loop.serving.edge.crowd import TOO_MANY, longest_waiting, only_health
from adloom.loop.serving.metrics import REFUSED, RefusalReason

_PIECE_BYTES = 32 << 10  # looked at at once: what is wrong in it ends the rest
_LINGER_SECONDS = 2.0  # a client that still sends would not read why it is refused
_TURNS = count()
_REASONS: dict[int, RefusalReason] = {408: "too_slow", 414: "too_large", 431: "too_large"}


class _Refused(Exception):
    """Raised in the parser's callbacks; the parser passes it on as an error of its own."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection: 431, 414, 408 or 400 for a head that is too large or too slow.

    Where there are too many connections, the one that has waited longest for its client makes
    room; where all are at work, only health is answered, and beyond that 503.
    """

    def __init__(
        self,
        bounds: Bounds,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.bounds = bounds
        self.turn = next(_TURNS)
        self._refused = False
        self._refusal: tuple[int, str] | None = None
        self._in_head = False
        self._piece = 0
        self._framing = 0  # bytes of heads, chunk sizes and trailers since the message began
        self._next_head_due: asyncio.TimerHandle | None = None
        self._reading_due: asyncio.TimerHandle | None = None

    @property
    def at_work(self) -> bool:
        """A request has come whose answer is not sent yet."""
        return self.cycle is not None and not self.cycle.response_complete

    # What the transport calls.
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._expect_head(self.bounds.head_seconds)
        if len(self.connections) <= self.bounds.connections:
            return
        others = (one for one in self.connections if isinstance(one, BoundedProtocol))
        waiting = longest_waiting(one for one in others if one is not self)
        if waiting is not None:
            waiting.give_way()
        elif len(self.connections) <= self.bounds.connections + self.bounds.connections_for_health:
            self.app = only_health(self.app)
        else:
            self._refuse(503, TOO_MANY)

    def give_way(self) -> None:
        """End at once, for another client."""
        self.connections.discard(self)
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        for due in (self._next_head_due, self._reading_due):
            if due is not None:
                due.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE_BYTES):
            if self._refused or self.transport.is_closing():
                return
            piece = data if len(data) <= _PIECE_BYTES else data[start : start + _PIECE_BYTES]
            self._piece = len(piece)
            self._framing += len(piece)
            super().data_received(piece)
            self._framing = max(0, self._framing)
            if self._framing > self.bounds.head_bytes:
                what = "headers" if self._in_head else "chunk sizes and trailers"
                told = f"more than {self.bounds.head_bytes} bytes of {what}"
                self._refuse(431 if self._in_head else 400, told)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reading_due = self.loop.call_later(self.bounds.unread_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._reading_due is not None:
            self._reading_due.cancel()

    # What the parser calls.
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._framing = min(self._framing, self._piece)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self.bounds.target_bytes:
            self._wrong(414, f"the address has more than {self.bounds.target_bytes} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)  # those after a body too
        if len(self.headers) > self.bounds.headers:
            self._wrong(431, f"more than {self.bounds.headers} headers")

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._next_head_due is not None:
            self._next_head_due.cancel()
        if len(self.pipeline) >= self.bounds.pipelined:
            self._wrong(400, f"more than {self.bounds.pipelined} requests wait for an answer")
        self._prefer_host_of_target()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._framing -= 2 * len(body)  # chunks of a few bytes cost more to read than they bring
        super().on_body(body)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.at_work:
            self._expect_head(self.bounds.idle_seconds + self.bounds.head_seconds)

    def send_400_response(self, msg: str) -> None:
        self._refuse(*(self._refusal or (400, "this is not HTTP/1.1 that can be read")))

    def _unsupported_upgrade_warning(self) -> None:
        """The request is answered as if it had not asked for another protocol."""

    def _prefer_host_of_target(self) -> None:
        """A target may be a whole address: then its host counts and the header does not."""
        if not self.url.startswith(b"/"):
            told = httptools.parse_url(self.url)
            if told.host is not None:
                host = told.host if told.port is None else b"%b:%d" % (told.host, told.port)
                kept = [(name, value) for name, value in self.headers if name != b"host"]
                self.headers[:] = [*kept, (b"host", host)]

    def _expect_head(self, seconds: float) -> None:
        """Nothing but a whole head stops this clock, however its bytes come."""
        self.turn = next(_TURNS)
        if self._next_head_due is not None:
            self._next_head_due.cancel()
        self._next_head_due = self.loop.call_later(seconds, self._no_head_came)

    def _no_head_came(self) -> None:
        if self._in_head:
            self._refuse(408, "the head of the request took too long")
        else:
            self.transport.abort()

    def _wrong(self, status: int, told: str) -> None:
        self._refusal = (status, told)
        raise _Refused

    def _refuse(self, status: int, told: str) -> None:
        """Answer, and read no more; what comes is let pass for a while, then cut off."""
        if self._refused:
            return
        self._refused = True
        REFUSED.labels("connections" if status == 503 else _REASONS.get(status, "invalid")).inc()
        if self.pipeline or (self.at_work and self.cycle.response_started):
            self.transport.abort()  # the answer would come within another
            return
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        body = json.dumps({"detail": told}).encode()
        wait = "retry-after: 1\r\n" if status == 503 else ""
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n{wait}connection: close\r\n\r\n"
        )
        self.flow.resume_reading()
        self.transport.write(head.encode() + body)
        self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.abort)


def with_bounds(bounds: Bounds) -> type[asyncio.Protocol]:
    """The protocol as uvicorn makes it for each connection."""

    class WithBounds(BoundedProtocol):
        def __init__(self, **given: Any) -> None:
            super().__init__(bounds, **given)

    return WithBounds
