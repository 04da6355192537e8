"""A consumer's health is told also while clients do not read, do not write, or come in crowds."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import pytest

from adloom.stream import monitor as monitoring
from adloom.stream.membership.condition import ConsumerState

STATE = ConsumerState(ready=True, problem=None, notes=())
HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


def connect(address: str) -> socket.socket:
    port = urlsplit(address).port
    assert port is not None
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def test_a_client_that_sends_a_head_slowly_is_left_and_others_are_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(monitoring, "_REQUEST_SECONDS", 0.5)
    with (
        monitoring.monitor("127.0.0.1", 0, lambda: STATE) as address,
        connect(address) as silent,
        connect(address) as slow,
    ):
        assert httpx.get(f"{address}/healthz").status_code == 200
        sent = 0
        with suppress(OSError):
            while sent < 200:
                slow.sendall(b"a")
                sent += 1
                time.sleep(0.1)
        assert sent < 200
        assert silent.recv(1) == b""


def test_of_many_clients_the_oldest_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "_MOST_REQUESTS", 4)
    with monitoring.monitor("127.0.0.1", 0, lambda: STATE) as address:
        crowd = [connect(address) for _ in range(12)]
        assert httpx.get(f"{address}/healthz").status_code == 200
        assert crowd[0].recv(1) == b""
        for client in crowd:
            client.close()


@pytest.mark.parametrize(
    "rest", [b"X: " + b"x" * 100_000, b"a: b\r\n" * 200], ids=["large", "many"]
)
def test_a_head_that_is_too_large_is_refused(rest: bytes) -> None:
    with monitoring.monitor("127.0.0.1", 0, lambda: STATE) as address, connect(address) as client:
        client.sendall(HEAD + rest + b"\r\n\r\n")
        assert b" 431 " in client.recv(100)
