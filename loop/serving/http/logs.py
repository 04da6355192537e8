"""Logs as JSON lines; every line that a request leads to has the request's id."""

from __future__ import annotations

import logging
import re
import sys
import time
from contextvars import ContextVar

from pythonjsonlogger.json import JsonFormatter
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adloom.loop.serving.http.counting import count_request
from adloom.loop.serving.http.prefix import path_below
from adloom.loop.serving.random_ids import IDS

REQUEST_ID_HEADER = "X-Request-Id"
_OF_A_USER = re.compile(r"^/v1/users/.*/")
_USABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_FAILED = JSONResponse({"detail": "this went wrong here; the log says why"}, status_code=500)
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_log = logging.getLogger("adloom.requests")


def request_id() -> str | None:
    """Of the request that is being answered; None outside of one."""
    return _request_id.get()


def log_as_json() -> None:
    """All logs of this process go to stderr, one JSON object a line, requests among them."""
    handler = logging.StreamHandler(sys.stderr)
    fields = "{asctime}{levelname}{name}{message}{request_id}"
    handler.setFormatter(
        JsonFormatter(
            fields,
            style="{",
            datefmt="%Y-%m-%dT%H:%M:%S%z",
            rename_fields={"asctime": "at", "levelname": "level", "name": "logger"},
        )
    )
    handler.addFilter(_with_request_id)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("adloom", "uvicorn"):
        logging.getLogger(name).setLevel(logging.INFO)


def _with_request_id(record: logging.LogRecord) -> bool:
    record.request_id = request_id()
    return True


class RequestLog:
    """ASGI middleware: a request has an id, its own or a new one, and leaves a line in the log.

    What nobody foresaw is answered by 500; the log has the traceback under the request's id.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        path = _path(path_below(scope))
        name = given if _USABLE.fullmatch(given) else IDS.new().hex
        token = _request_id.set(name)
        began, status, answering = time.monotonic(), 500, False

        async def noted(message: Message) -> None:
            nonlocal status, answering
            if message["type"] == "http.response.start":
                status, answering = message["status"], True
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = name
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception:
            _log.exception("nobody foresaw this")
            if answering:
                raise
            await _FAILED(scope, receive, noted)
        finally:
            level = logging.ERROR if status >= 500 else logging.INFO
            seconds = time.monotonic() - began
            told = {"method": scope["method"], "path": path, "status": status}
            _log.log(level, "answered", extra={**told, "seconds": round(seconds, 4)})
            count_request(scope, status, seconds)
            _request_id.reset(token)


def _path(path: str) -> str:
    """As it was asked for, but for whom it is about: logs go far and stay long.

    What follows a question mark is not part of it: keys of pages are there.
    """
    return _OF_A_USER.sub("/v1/users/.../", path)
