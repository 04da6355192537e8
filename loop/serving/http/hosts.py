"""By which names the server is asked: one that it does not know may be a trick of a web page.

A page of evil.example that lets this name point here is of the same origin as this server for a
browser, and could read what it answers.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from adloom.loop.serving.edge.addresses import OwnNames, host_of, ip_of
from adloom.loop.serving.edge.bounds import HEALTH_PATHS
from adloom.loop.serving.http.counting import refused_by
from adloom.loop.serving.http.prefix import path_below


class HostCheck:
    """ASGI middleware: 421 for a host that is not this server's, 400 for none or several.

    Its own are those of loopback, the address that the request came to, and ``hosts``. Health is
    answered whatever the host: probes come by any address, and it tells nothing of shoppers.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._names = OwnNames(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and path_below(scope) not in HEALTH_PATHS:
            wrong = self._wrong(scope)
            if wrong is not None:
                refused_by(scope, "host")
                status, told = wrong
                await JSONResponse({"detail": told}, status_code=status)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _wrong(self, scope: Scope) -> tuple[int, str] | None:
        told = [value for name, value in scope["headers"] if name == b"host"]
        if len(told) != 1:
            return 400, "Host: a request names its host once"
        host = host_of(told[0].decode("latin-1"))
        if host is None:
            return 400, "Host: not a name or an address"
        if self._is_ours(host, scope):
            return None
        return 421, (
            "Host: this server does not go by that name; names that it goes by are set in "
            'serve.hosts (serve.hosts = ["ads.example.com"])'
        )

    def _is_ours(self, host: str, scope: Scope) -> bool:
        if host in self._names:
            return True
        address, reached = ip_of(host), scope.get("server")
        return address is not None and reached is not None and address == ip_of(str(reached[0]))
