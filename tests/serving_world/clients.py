"""Clients that wish a server ill, or are only slow."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress

_HEAD = b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\n"
_MEGABYTE = b"x" * (1 << 20)
_IDLE = 600  # more than the server has connections for


def half_a_head(port: int) -> list[socket.socket]:
    return [_connected(port, _HEAD)]


def half_a_body(port: int) -> list[socket.socket]:
    head = _HEAD + b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    return [_connected(port, head) for _ in range(20)]


def idle(port: int) -> list[socket.socket]:
    return [_connected(port, b"") for _ in range(_IDLE)]


def large_header(port: int) -> list[socket.socket]:
    """60 MB, sent as fast as it is taken."""
    client = _connected(port, _HEAD + b"X: ")
    with suppress(OSError):
        for _ in range(60):
            client.sendall(_MEGABYTE)
    return [client]


HANGING: dict[str, Callable[[int], list[socket.socket]]] = {
    hanging.__name__: hanging for hanging in (half_a_head, half_a_body, idle, large_header)
}


def _connected(port: int, sent: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=20)
    client.sendall(sent)
    return client
