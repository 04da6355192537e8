"""A bound on what a request may send and how long it may take, looked at as it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adloom.loop.serving.http.prefix import path_below


class BodyLimit:
    """ASGI middleware: 413 for a body of more than ``max_bytes``, 408 after ``max_seconds``.

    Around an application that answers Starlette's HTTPException. ``larger`` has the limit of each
    path that takes pictures.
    """

    def __init__(
        self,
        app: ASGIApp,
        max_bytes: int,
        max_seconds: float,
        larger: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds
        self._larger = larger
        self._too_slow = f"the body took more than {max_seconds:g} seconds"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._larger.get(path_below(scope), self._max_bytes)
        too_large = f"the body is larger than {most} bytes"
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > most:
            refusal = JSONResponse({"detail": too_large}, status_code=413)
            await refusal(scope, receive, send)
            return
        until = asyncio.get_running_loop().time() + self._max_seconds
        received, complete = 0, False

        async def counted() -> Message:
            nonlocal received, complete
            if complete:  # what comes now is that the client hangs up
                return await receive()
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, self._too_slow) from None
            received += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if received > most:
                raise HTTPException(413, too_large)
            return message

        await self._app(scope, counted, send)
