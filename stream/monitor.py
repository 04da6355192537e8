"""What a consumer tells its surroundings over HTTP: metrics, whether it lives, whether it is ready.

`/metrics` is for Prometheus, `/healthz` and `/readyz` are for whatever restarts and alerts.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from adloom.stream.membership.condition import ConsumerState

_Respond = Callable[[str, list[tuple[str, str]]], Any]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


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
