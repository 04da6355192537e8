"""The ad server at an address: bound before anything is loaded, served within bounds."""

from __future__ import annotations

import errno
import resource
import socket

import uvicorn
from starlette.types import ASGIApp

from adloom.loop.serving.edge.bounds import Bounds
from adloom.loop.serving.edge.protocol import with_bounds

_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # IPv6 where there is none
_OTHER_FILES = 256  # that a process has open beside its connections


class CannotListen(RuntimeError):
    """The address cannot be served; the message says why and what to do."""


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets at all addresses of the host, which nobody can connect to yet.

    Args:
        port: 0 takes a free one.

    Raises CannotListen.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise CannotListen(f"serve.host: {host}: {error.strerror}") from error
    bound: list[socket.socket] = []
    problem: OSError | None = None
    for family, kind, protocol, _, address in dict.fromkeys(found):
        taken = bound[0].getsockname()[1] if bound else port
        try:
            bound.append(_bound(socket.socket(family, kind, protocol), (address[0], taken)))
        except OSError as error:
            problem = error
            if error.errno not in _NOT_HERE:
                break
    if not bound or (problem is not None and problem.errno not in _NOT_HERE):
        for one in bound:
            one.close()
        assert problem is not None
        raise CannotListen(_why(problem, host, port)) from problem
    return bound


def _bound(new: socket.socket, address: tuple[str | int, int]) -> socket.socket:
    """Raises OSError."""
    try:
        new.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if new.family == socket.AF_INET6:
            new.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        new.bind(address)
    except OSError:
        new.close()
        raise
    return new


def refuse_too_many_files(connections: int) -> None:
    """Raises CannotListen where this process may not have so many connections open."""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + _OTHER_FILES
    if needed <= limit or limit == resource.RLIM_INFINITY:
        return
    if needed > most != resource.RLIM_INFINITY:
        raise CannotListen(
            f"serve.max_connections: {connections} and {_OTHER_FILES} other files are more than "
            f"this process may open ({most}, see ulimit -n)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, most))


def http_server(app: ASGIApp, bounds: Bounds) -> uvicorn.Server:
    """What answers at sockets until SIGINT or SIGTERM, which is raised again at the end."""
    config = uvicorn.Config(
        app,
        http=with_bounds(bounds),
        ws="none",
        timeout_keep_alive=int(bounds.idle_seconds),
        proxy_headers=False,  # serve.trusted_proxies: see adloom.loop.serving.app
        server_header=False,
        log_config=None,
        access_log=False,
    )
    return uvicorn.Server(config)


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"serve.port: another program listens at {host}:{port}; end it, or choose another "
            "port (adloom serve --port N, 0 = a free one)"
        )
    if error.errno == errno.EACCES:
        return f"serve.port: this user may not listen at {port}; choose one above 1023"
    return f"serve.host: cannot listen at {host}:{port}: {error.strerror}"
