"""Who hangs up in the middle of a request is no failure of the server."""

from __future__ import annotations

import asyncio
import logging

import pytest
from fastapi import FastAPI, Request
from starlette.types import Message, Scope

from adloom.loop.serving.http.errors import answer_errors
from adloom.loop.serving.http.logs import RequestLog
from adloom.loop.serving.metrics import HTTP_REQUESTS, REFUSED


def test_half_a_body_is_nobodys_request(caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()
    answer_errors(app)
    app.add_middleware(RequestLog)

    @app.post("/half")
    async def take(request: Request) -> int:
        return len(await request.body())

    arriving: list[Message] = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    ]
    answered: list[Message] = []

    async def receive() -> Message:
        return arriving.pop(0)

    async def send(message: Message) -> None:
        answered.append(message)

    given_up = HTTP_REQUESTS.labels("/half", "POST", "499")
    hung_up = REFUSED.labels("nobody_waits")
    before = hung_up._value.get()
    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/half",
        "query_string": b"",
        "headers": [(b"content-length", b"9")],
    }
    with caplog.at_level(logging.INFO):
        asyncio.run(app(scope, receive, send))
    assert answered[0]["status"] == 499
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert given_up._value.get() == 1
    assert hung_up._value.get() == before + 1
