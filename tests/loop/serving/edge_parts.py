"""An application at a real socket, and clients that send what they like."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from starlette.types import ASGIApp

from adloom.loop.serving.edge.bounds import Bounds
from adloom.loop.serving.edge.listening import bind, http_server

HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@contextmanager
def listening(app: ASGIApp, bounds: Bounds) -> Iterator[int]:
    """The port at which the application answers."""
    sockets = bind("127.0.0.1", 0)
    server = http_server(app, bounds)
    thread = threading.Thread(target=server.run, args=(sockets,))
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield int(sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()


@dataclass(frozen=True)
class Answer:
    """What a server sent before it closed the connection, or a first answer that is whole."""

    status: int | None
    text: str


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def send(port: int, *pieces: bytes) -> Answer:
    """What comes back; status None: the connection was closed without an answer."""
    with connect(port) as client:
        for piece in pieces:
            client.sendall(piece)
        return answer_of(client)


def answer_of(client: socket.socket) -> Answer:
    try:
        text = client.recv(65_536)
        while text and not _whole(text):
            text += client.recv(65_536)
    except ConnectionResetError:
        text = b""
    status = int(text.split(b" ", 2)[1]) if text else None
    return Answer(status, text.decode("latin-1"))


def _whole(text: bytes) -> bool:
    head, found, body = text.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if found and line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return False


@contextmanager
def health_seconds(port: int) -> Iterator[list[float]]:
    """How long `/healthz` took, again and again, while the block ran; some more than once."""
    taken: list[float] = []
    done = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            while not done.is_set() or not taken:
                began = time.monotonic()
                assert client.get("/healthz").status_code == 200
                taken.append(time.monotonic() - began)
                done.wait(0.02)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield taken
    finally:
        done.set()
        thread.join()
