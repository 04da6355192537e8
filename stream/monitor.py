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

_Respond = Callable[[str, list[tuple[str, str]]], Any]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Probes come every few seconds: they are no news."""


@contextmanager
def monitor(host: str, port: int, ready: Callable[[], bool]) -> Iterator[str]:
    """Answers while the block runs; gives the address.

    Args:
        port: 0 takes a free one.
        ready: asked for each `/readyz`, from another thread.

    Raises OSError when the address cannot be bound.
    """
    metrics = make_wsgi_app()

    def answer(environment: dict[str, Any], respond: _Respond) -> Iterable[bytes]:
        path = environment["PATH_INFO"]
        if path == "/metrics":
            return metrics(environment, respond)
        if path == "/healthz":
            return _json(respond, "200 OK", "alive")
        if path == "/readyz":
            if ready():
                return _json(respond, "200 OK", "ready")
            return _json(respond, "503 Service Unavailable", "not ready")
        return _json(respond, "404 Not Found", "there are /metrics, /healthz and /readyz")

    with make_server(host, port, answer, _Server, _Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, name="monitor", daemon=True)
        thread.start()
        try:
            yield f"http://{host}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _json(respond: _Respond, status: str, text: str) -> list[bytes]:
    respond(status, [("Content-Type", "application/json")])
    return [json.dumps({"status": text}).encode()]
