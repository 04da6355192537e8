"""moto's S3 as a process that keeps what it acknowledged: `python -m tests.s3_journal PORT FILE`.

moto holds all in memory. Here each request that changes something is written to a file before it is
answered, and a process that is started again does them once more, in their order.
"""

from __future__ import annotations

import base64
import io
import json
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
from werkzeug.test import run_wsgi_app

_CHANGING = {"PUT", "POST", "DELETE"}

Environment = dict[str, Any]
Application = Callable[[Environment, Callable[..., Any]], Iterable[bytes]]


class Journalled:
    """A WSGI application whose changes come one after the other, and are kept in a file."""

    def __init__(self, app: Application, file: Path) -> None:
        """Does again what the file has."""
        self._app = app
        self._lock = threading.Lock()
        if file.exists():
            for line in file.read_text().splitlines():
                told, body = json.loads(line)
                environment = told | {
                    "wsgi.input": io.BytesIO(base64.b64decode(body)),
                    "wsgi.errors": sys.stderr,
                    "wsgi.url_scheme": "http",
                    "wsgi.version": (1, 0),
                }
                run_wsgi_app(app, environment, buffered=True)
        self._file = file.open("a")

    def __call__(self, environ: Environment, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in _CHANGING:
            return self._app(environ, start_response)
        chunked = environ.get("wsgi.input_terminated", False)
        length = None if chunked else int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(*([] if length is None else [length]))
        environ["wsgi.input"] = io.BytesIO(body)
        told = {name: value for name, value in environ.items() if isinstance(value, str)}
        if chunked:
            told["CONTENT_LENGTH"] = environ["CONTENT_LENGTH"] = str(len(body))
        with self._lock:
            self._file.write(json.dumps([told, base64.b64encode(body).decode()]) + "\n")
            self._file.flush()  # a process that is killed has handed it to the system
            return list(self._app(environ, start_response))


def _main(port: str, file: str) -> None:
    app = Journalled(DomainDispatcherApplication(create_backend_app), Path(file))
    run_simple("127.0.0.1", int(port), app, threaded=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
