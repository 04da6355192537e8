"""What comes before a body is bounded in size, number and time, and holds up nobody else."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from starlette.types import Receive, Scope, Send

from adloom.loop.serving.edge.bounds import Bounds
from adloom.loop.serving.edge.listening import CannotListen, bind, refuse_too_many_files
from tests.loop.serving.edge_parts import (
    HEAD,
    answer_of,
    connect,
    health_seconds,
    listening,
    send,
)

HASTY = Bounds(
    connections=8,
    connections_for_health=2,
    head_seconds=0.8,
    idle_seconds=1.0,
    unread_seconds=1.0,
)
MEGABYTE = b"x" * (1 << 20)
POST = b"POST /take HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
SECOND = b"GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Says which path and host it was asked for, and how much body came; `/large` is large."""
    if scope["type"] != "http":
        return
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    hosts = [value.decode() for name, value in scope["headers"] if name == b"host"]
    body = f"{scope['path']} {hosts} {size}".encode()
    if scope["path"] == "/large":
        body = MEGABYTE * 30
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with listening(app, replace(HASTY, connections=64)) as port:
        yield port


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        pytest.param([HEAD, b"X: ", *[MEGABYTE] * 60, b"\r\n\r\n"], 431, id="large header"),
        pytest.param([HEAD, *[b"a:b\r\n" * 10_000] * 6, b"\r\n"], 431, id="many headers"),
        pytest.param([HEAD + b"a: b\r\n" * 100 + b"\r\n"], 431, id="101 headers"),
        pytest.param([b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n\r\n"], 414, id="long target"),
        pytest.param([b"GET /", *[MEGABYTE] * 60], 414, id="large target"),
        pytest.param([POST, b"1;a=", *[MEGABYTE] * 60], 400, id="large chunk extension"),
        pytest.param([POST, b"1\r\na\r\n0\r\nX: ", *[MEGABYTE] * 60], 400, id="large trailer"),
        pytest.param([POST, b"1\r\na\r\n0\r\n", b"a: b\r\n" * 60_000], 431, id="many trailers"),
        pytest.param([POST, *[b"1\r\na\r\n" * 100_000] * 10], 400, id="chunks of a byte"),
    ],
)
def test_what_is_too_large_is_refused_and_holds_up_nobody(
    port: int, pieces: list[bytes], status: int
) -> None:
    with health_seconds(port) as seconds:
        answer = send(port, *pieces)
    assert answer.status == status
    assert "connection: close" in answer.text
    assert max(seconds) < 5  # without bounds: 9 to 15


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(
            b"POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND,
            id="length and chunks",
        ),
        pytest.param(
            b"POST /take HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
            b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" + SECOND,
            id="two encodings",
        ),
        pytest.param(
            b"POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
            b"Content-Length: 2\r\n\r\nab" + SECOND,
            id="two lengths",
        ),
        pytest.param(HEAD + b"Content-Length: +1\r\n\r\na" + SECOND, id="length with a sign"),
        pytest.param(HEAD + b"A: b\r\n c\r\n\r\n", id="folded header"),
        pytest.param(b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", id="space before colon"),
        pytest.param(b"GET / HTTP/1.1\nHost: localhost\n\n", id="bare line feeds"),
        pytest.param(POST + b"1\ra\r\n0\r\n\r\n", id="bare carriage return"),
        pytest.param(HEAD + b"a: b\0c\r\n\r\n", id="zero byte"),
        pytest.param(b"CONNECT evil.example:9 HTTP/1.1\r\nHost: a\r\n\r\n", id="tunnel"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00", id="TLS"),
        pytest.param(SECOND * 5_000, id="5000 at once"),
    ],
)
def test_what_two_servers_may_read_differently_is_not_read(port: int, request_: bytes) -> None:
    answer = send(port, request_)
    assert answer.status in {400, None}
    assert "/hidden" not in answer.text


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        pytest.param(b"GET /a HTTP/1.0\r\n\r\n", "/a [] 0", id="HTTP/1.0"),
        pytest.param(
            b"GET http://other.example:9/a?b HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "/a ['other.example:9'] 0",
            id="a whole address is its own host",
        ),
        pytest.param(
            b"GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            "/a ['localhost'] 0",
            id="no other protocol",
        ),
        pytest.param(POST + b"3;a=b\r\nabc\r\n0\r\n\r\n", "/take ['localhost'] 3", id="chunks"),
    ],
)
def test_what_is_odd_and_allowed_is_answered(port: int, request_: bytes, told: str) -> None:
    answer = send(port, request_)
    assert answer.status == 200
    assert answer.text.endswith(told)


def test_a_head_that_does_not_come_is_waited_for_a_while_only(port: int) -> None:
    with connect(port) as silent, connect(port) as slow, connect(port) as blank:
        slow.sendall(HEAD)
        for _ in range(10):  # a byte now and then, or empty lines, stop no clock
            try:
                slow.sendall(b"a")
                blank.sendall(b"\r\n")
            except OSError:
                break
            time.sleep(0.15)
        assert answer_of(slow).status == 408
        for gone in (silent, blank):
            assert answer_of(gone).status is None


def test_a_client_that_keeps_its_connection_may_rest_and_not_for_ever(port: int) -> None:
    with connect(port) as client:
        for _ in range(3):
            client.sendall(HEAD + b"\r\n")
            assert answer_of(client).status == 200
            time.sleep(0.3)
        began = time.monotonic()
        assert client.recv(1) == b""
        assert time.monotonic() - began < 10


def test_requests_sent_together_are_answered_in_order(port: int) -> None:
    with connect(port) as client:
        client.sendall(
            b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(9))
        )
        answers = b""
        while b"/8" not in answers:
            answers += client.recv(65_536)
    assert [answers.index(b"/%d [" % n) for n in range(9)] == sorted(
        answers.index(b"/%d [" % n) for n in range(9)
    )


def test_an_answer_that_nobody_reads_is_given_up(port: int) -> None:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    with client:
        client.connect(("127.0.0.1", port))
        client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(2)
        received = 0
        try:
            while some := client.recv(1 << 20):
                received += len(some)
        except ConnectionResetError:
            pass
    assert received < len(MEGABYTE) * 30


def at_work(port: int, path: bytes) -> socket.socket:
    """A client whose request is being answered: it waits for nine bytes of body."""
    client = connect(port)
    client.sendall(
        b"POST " + path + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )
    assert client.recv(100).startswith(b"HTTP/1.1 100")
    return client


def test_who_waits_makes_room_for_new_clients_and_health_is_answered_when_none_does() -> None:
    unhurried = replace(HASTY, head_seconds=60, idle_seconds=60)
    with listening(app, unhurried) as port:
        idle = [connect(port) for _ in range(8)]
        assert send(port, SECOND).status == 200
        assert answer_of(idle[0]).status is None  # the one that waited longest
        for client in idle:
            client.close()

        busy = [at_work(port, b"/take") for _ in range(8)]
        refused = send(port, SECOND)
        assert refused.status == 503
        assert "serve.max_connections" in refused.text
        assert "retry-after: 1" in refused.text
        assert send(port, HEAD + b"\r\n").status == 200

        more = [at_work(port, b"/healthz") for _ in range(2)]
        assert answer_of(connect(port)).status == 503  # at once, whatever it wanted
        for client in busy + more:
            client.sendall(b"123456789")
            assert answer_of(client).status == 200
            client.close()
        assert send(port, SECOND).status == 200


def test_a_port_in_use_is_told_before_anything_is_loaded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"serve\.port: another program .*:{taken};"):
            bind("127.0.0.1", taken)
    with pytest.raises(CannotListen, match=r"serve\.host: cannot listen at 192\.0\.2\.1"):
        bind("192.0.2.1", 0)
    with pytest.raises(CannotListen, match=r"serve\.host: no\.such\.host\.invalid"):
        bind("no.such.host.invalid", 0)


def test_a_name_of_several_addresses_is_bound_at_one_port() -> None:
    bound = bind("localhost", 0)
    assert len({one.getsockname()[1] for one in bound}) == 1
    for one in bound:
        one.close()


def test_more_connections_than_a_process_may_have_are_refused_at_start() -> None:
    with pytest.raises(CannotListen, match=r"serve\.max_connections: .*ulimit -n"):
        refuse_too_many_files(10**9)
