"""The server below a path of another one: a proxy shows it at https://shop.example/ads."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(frozen=True)
class Places:
    """Where the server's paths are reached from.

    Attributes:
        prefix: the path before all of them, "" for none.
        public_url: where shoppers reach it; None: nobody told.
    """

    prefix: str = ""
    public_url: str | None = None

    def own(self, path: str) -> str:
        """For the server's own pages."""
        return f"{self.prefix}{path}"

    def public(self, path: str) -> str:
        """For whoever is sent the address."""
        return f"{self.prefix if self.public_url is None else self.public_url}{path}"


def places(request: Request) -> Places:
    """Of the application that answers the request."""
    found: Places = request.app.state.places
    return found


class Prefix:
    """ASGI middleware: a path has the prefix, as ASGI wants it, also where a proxy took it off.

    What comes past the proxy, such as probes, has none.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            if path == self._prefix:
                path = f"{path}/"
            elif not path.startswith(f"{self._prefix}/"):
                path = f"{self._prefix}{path}"
            scope = {**scope, "path": path, "root_path": self._prefix}
        await self._app(scope, receive, send)


def path_below(scope: Scope) -> str:
    """The path as the server has it, without the prefix."""
    root: str = scope.get("app_root_path", scope.get("root_path", ""))
    path: str = scope["path"]
    return path[len(root) :] if root and path.startswith(f"{root}/") else path
