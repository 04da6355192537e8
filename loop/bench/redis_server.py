"""A Redis server of one's own, on a free loopback port, for as long as a block runs."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

_START_SECONDS = 20.0


class RedisUnavailable(RuntimeError):
    """There is no redis-server to start, or it does not start."""


class LocalRedis:
    """A redis-server child process that writes to the disk as a site's would (append-only file).

    Raises RedisUnavailable when the program is not installed.
    """

    def __init__(self, folder: str) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            raise RedisUnavailable("redis-server is not installed: apt-get install redis-server")
        self._command = [binary, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]
        self._command += ["--dir", folder]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Feast's form: host:port."""
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Starts it, with the data it had before. Raises RedisUnavailable."""
        self._process = subprocess.Popen(
            [*self._command, "--port", str(self._port)], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._answers():
                return
            time.sleep(0.02)
        self.stop()
        raise RedisUnavailable("redis-server did not start")

    def stop(self) -> None:
        """Ends it; its data stay in the folder."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=1) as client:
                client.sendall(b"PING\r\n")
                return client.recv(5) == b"+PONG"
        except OSError:
            return False


@contextmanager
def running_redis() -> Iterator[LocalRedis]:
    """Raises RedisUnavailable."""
    with tempfile.TemporaryDirectory() as folder:
        server = LocalRedis(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
