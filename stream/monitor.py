"""What a consumer tells its surroundings over HTTP: metrics, whether it lives, whether it is ready.

`/metrics` is for Prometheus, `/healthz` and `/readyz` are for whatever restarts and alerts.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from socket import SHUT_RDWR, socket
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from adloom.stream.membership.condition import ConsumerState

_REQUEST_SECONDS = 10.0
_MOST_REQUESTS = 32

_Respond = Callable[[str, list[tuple[str, str]]], Any]


class _Server(ThreadingMixIn, WSGIServer):
    """A request has so many seconds from its connection on, and so many are answered at once."""

    daemon_threads = True

    def __init__(self, *given: Any) -> None:
        self._lock = threading.Lock()
        self._since: dict[socket, float] = {}
        super().__init__(*given)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Where there are too many, the oldest makes room."""
        with self._lock:
            oldest = next(iter(self._since)) if len(self._since) >= _MOST_REQUESTS else None
            if oldest is not None:
                del self._since[oldest]
            self._since[request] = time.monotonic()
        if oldest is not None:
            _end(oldest)
        return True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news; what an answer is made of raises nothing."""

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._since.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Called every half second."""
        latest = time.monotonic() - _REQUEST_SECONDS
        with self._lock:
            late = [request for request, since in self._since.items() if since < latest]
        for request in late:
            _end(request)


def _end(request: socket) -> None:
    """Whatever its thread waits for."""
    with suppress(OSError):
        request.shutdown(SHUT_RDWR)


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Probes come every few seconds: they are no news."""


@contextmanager
def monitor(host: str, port: int, state: Callable[[], ConsumerState]) -> Iterator[str]:
    """Answers while the block runs; gives the address.

    Args:
        port: 0 takes a free one.
        state: asked for each `/readyz`, from another thread.

    Raises OSError when the address cannot be bound.
    """
    metrics = make_wsgi_app()

    def answer(environment: dict[str, Any], respond: _Respond) -> Iterable[bytes]:
        path = environment["PATH_INFO"]
        if path == "/metrics":
            return metrics(environment, respond)
        if path == "/healthz":
            return _json(respond, "200 OK", {"status": "alive"})
        if path == "/readyz":
            return _json(respond, *_readiness(state()))
        told = {"status": "there are /metrics, /healthz and /readyz"}
        return _json(respond, "404 Not Found", told)

    with make_server(host, port, answer, _Server, _Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, name="monitor", daemon=True)
        thread.start()
        try:
            yield f"http://{host}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _readiness(state: ConsumerState) -> tuple[str, dict[str, Any]]:
    notes = {"notes": state.notes} if state.notes else {}
    if state.ready:
        return "200 OK", {"status": "ready"} | notes
    return "503 Service Unavailable", {"status": "not ready", "problem": state.problem} | notes


def _json(respond: _Respond, status: str, told: dict[str, Any]) -> list[bytes]:
    respond(status, [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]
