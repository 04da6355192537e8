"""HEAD, answered wherever GET is: what would be sent, without its body."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class AnswersHead:
    """ASGI middleware: the application is asked for the whole, of which the head is sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        asked = {**scope, "method": "GET"}

        async def without_body(message: Message) -> None:
            _tell(asked, scope)
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        try:
            await self._app(asked, receive, without_body)
        finally:
            _tell(asked, scope)


def _tell(asked: Scope, scope: Scope) -> None:
    """Which route it was, and why it was refused: for logs and metrics."""
    for name, value in asked.items():
        scope.setdefault(name, value)
