"""A schema registry on loopback that speaks as much of Confluent's HTTP as clients need."""

from __future__ import annotations

import base64
import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

_SCHEMA = re.compile(r"/schemas/(?:ids|guids)/([^/]+)")
_VERSIONS = re.compile(r"/subjects/([^/]+)(/versions)?")


class Registry:
    """Schemas by id and GUID; `login` is asked for when it is set, `broken` answers 500."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.login: tuple[str, str] | None = None
        self.broken = False
        self.requests: list[str] = []
        self._schemas: list[dict[str, Any]] = []
        self._guids: list[str] = []

    def register(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The id and GUID of a schema, the same when it comes again."""
        if schema not in self._schemas:
            self._schemas.append(schema)
            self._guids.append(str(uuid.uuid4()))
        number = self._schemas.index(schema)
        return {"id": number + 1, "guid": self._guids[number], "version": number + 1, **schema}

    def find(self, name: str) -> dict[str, Any] | None:
        """The schema of an id or a GUID."""
        if name in self._guids:
            return self.register(self._schemas[self._guids.index(name)])
        number = int(name) if name.isdecimal() else 0
        return (
            self.register(self._schemas[number - 1]) if 0 < number <= len(self._schemas) else None
        )


@contextmanager
def running_registry() -> Iterator[Registry]:
    """Answers while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = _SCHEMA.fullmatch(urlsplit(self.path).path)
            schema = registry.find(unquote(found[1])) if found else None
            if self._admitted():
                self._answer(200, schema) if schema else self._refuse(404, 40403, "not found")

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            subject = _VERSIONS.fullmatch(urlsplit(self.path).path)
            if not self._admitted():
                return
            if subject is None:
                self._refuse(404, 404, "no such path")
                return
            kept = {name: body[name] for name in ("schema", "schemaType") if body.get(name)}
            self._answer(200, registry.register(kept) | {"subject": unquote(subject[1])})

        def _admitted(self) -> bool:
            registry.requests.append(self.path)
            if registry.broken:
                self._refuse(500, 50001, "broken")
            elif registry.login and self.headers["Authorization"] != _basic(*registry.login):
                self._refuse(401, 401, "who are you?")
            else:
                return True
            return False

        def _refuse(self, status: int, code: int, message: str) -> None:
            self._answer(status, {"error_code": code, "message": message})

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Requests are no news."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        registry = Registry(server)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield registry
        finally:
            server.shutdown()
            thread.join()


def _basic(username: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"
