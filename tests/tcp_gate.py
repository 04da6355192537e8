"""A gate in front of a server, so that tests can take the server away and bring it back."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

State = Literal["open", "refuse", "drop", "hang", "cut", "fail", "trickle", "stall"]

_CHUNK = 1 << 16
_UNAVAILABLE = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 600\r\nContent-Length: 12\r\n"
    b"Connection: close\r\n\r\nmaintenance\n"
)
_NEVER_WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{"
_TRICKLE_SECONDS = 0.5


class TcpGate:
    """A port of loopback that leads to another, for as long as the gate is open.

    States of the gate:
        open: what is sent goes through.
        refuse: nobody listens.
        drop: packets are lost, as behind a firewall: a connection is never made.
        hang: connections are taken, and nothing is answered.
        cut: a request gets the start of an answer (HTTP) and no more.
        trickle: a request gets its answer byte by byte, without end.
        fail: every request is answered by 503 (HTTP), to come back in ten minutes.
        stall: what is open stays open, and nothing comes through, as of a server that hangs.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._flows = asyncio.Event()
        self._flows.set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._state: State = "open"
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self._full: list[socket.socket] = []
        self.port = 0
        self.port = self._listen()

    @property
    def state(self) -> State:
        return self._state

    def set(self, state: State) -> None:
        """Connections that are open are closed, but for "stall"."""
        if state == "stall":
            self._state = state
            self._loop.call_soon_threadsafe(self._flows.clear)
            return
        self._loop.call_soon_threadsafe(self._flows.set)
        self._run(self._close())
        for filler in self._full:
            filler.close()
        self._full.clear()
        self._state = state
        if state == "drop":
            self._full = _full_port(self.port)
        elif state != "refuse":
            self._listen()

    @contextmanager
    def being(self, state: State) -> Iterator[None]:
        """In that state for the block, then open."""
        self.set(state)
        try:
            yield
        finally:
            self.set("open")

    def close(self) -> None:
        self.set("refuse")
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)  # type: ignore[arg-type]

    def _listen(self) -> int:
        async def start() -> int:
            self._server = await asyncio.start_server(
                self._serve, "127.0.0.1", self.port, reuse_address=True
            )
            return int(self._server.sockets[0].getsockname()[1])

        return asyncio.run_coroutine_threadsafe(start(), self._loop).result(10)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._connections:
            writer.transport.abort()
        self._connections.clear()

    async def _end(self) -> None:
        left = asyncio.all_tasks(self._loop) - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        with suppress(OSError):
            if self._state in ("open", "stall"):
                await self._pass_on(reader, writer)
                return
            await reader.read(_CHUNK)
            if self._state == "fail":
                writer.write(_UNAVAILABLE)
                writer.close()
            elif self._state in ("cut", "trickle"):
                writer.write(_NEVER_WHOLE)
            while self._state == "trickle" and not writer.is_closing():
                await asyncio.sleep(_TRICKLE_SECONDS)
                writer.write(b" ")

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()  # as if nobody listened here
            return
        self._connections.add(to_server)
        flows = self._flows
        await asyncio.gather(pump(reader, to_server, flows), pump(from_server, writer, flows))
        self._connections -= {writer, to_server}


async def pump(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, flows: asyncio.Event | None = None
) -> None:
    """Everything that comes in goes out while it flows, until one side ends."""
    try:
        while data := await source.read(_CHUNK):
            if flows is not None:
                await flows.wait()
            target.write(data)
            await target.drain()
    except OSError:
        pass
    finally:
        target.close()


def _full_port(port: int) -> list[socket.socket]:
    """A port whose queue of connections is full: the kernel drops who knocks."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(0)
    held = [listener]
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", port))
        held.append(filler)
    return held
