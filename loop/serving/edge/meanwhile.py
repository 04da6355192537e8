"""What is answered at the address while the server is not there yet."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from socket import socket

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from adloom.loop.serving.edge.bounds import Bounds
from adloom.loop.serving.edge.listening import http_server

_RETRY_SECONDS = 5
_THREAD = "meanwhile"
_of_servers = logging.getLogger("uvicorn.error")


@contextmanager
def answering_meanwhile(sockets: Sequence[socket], doing: Callable[[], str]) -> Iterator[None]:
    """503 for every request while the block runs, with what is done at this moment.

    The address is taken from now on; who connects at the end of the block is answered by whatever
    listens next.
    """

    async def not_yet(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            why = f"starting: {doing()}"
            told = {"status": "not ready", "problem": why, "detail": why}
            headers = {"Retry-After": str(_RETRY_SECONDS), "Connection": "close"}
            await JSONResponse(told, status_code=503, headers=headers)(scope, receive, send)

    server = http_server(not_yet, Bounds())
    copies = [one.dup() for one in sockets]  # the server closes what it is given
    thread = threading.Thread(target=server.run, args=(copies,), name=_THREAD, daemon=True)
    _of_servers.addFilter(_is_no_news)
    thread.start()
    while thread.is_alive() and not server.started:
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
        _of_servers.removeFilter(_is_no_news)


def _is_no_news(record: logging.LogRecord) -> bool:
    """That this server starts and ends would be read as if the real one did."""
    return record.threadName != _THREAD
