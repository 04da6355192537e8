"""Pages of other origins: what they may send and read, which browsers ask for beforehand (CORS)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from adloom.loop.serving.http.prefix import path_below
from adloom.loop.settings.web_addresses import origin_of

EVENTS = "/v1/events"
_READ = re.compile(r"/v1/(pictures/.*|ads/.+/card\..*|events\.js)")
_TOLD = ("Retry-After", "X-Request-Id")
_PREFLIGHT_SECONDS = 3600  # a change of the settings is followed by then


def is_of_this_server(origin: str, headers: Headers) -> bool:
    """Whether the page lies where the request goes: at the same host, whatever TLS a proxy ends.

    The host is one of the server's own: see `hosts.py`.
    """
    host = headers.get("host", "")
    return origin in (origin_of(f"https://{host}"), origin_of(f"http://{host}"))


class PageAccess:
    """ASGI middleware: pages of these origins may send events, and read pictures and cards.

    Whether events are taken is decided by their key: see `Access.admit_events`.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._sending = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=["POST"],
            allow_headers=["Content-Type", "X-API-Key"],
            expose_headers=_TOLD,
            max_age=_PREFLIGHT_SECONDS,
        )
        self._reading = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=["GET", "HEAD"],
            max_age=_PREFLIGHT_SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http":
            path = path_below(scope)
            if path == EVENTS:
                app = self._sending
            elif _READ.fullmatch(path):
                app = self._reading
        await app(scope, receive, send)
