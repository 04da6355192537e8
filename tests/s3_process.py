"""The same object store in a process of its own: some libraries keep the interpreter's lock while
they wait for an answer, and a server of the same process could never give one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.s3_server import S3Server

_START_SECONDS = 60.0


class S3Process(S3Server):
    """A child process."""

    def __init__(self) -> None:
        os.environ.update(self.login)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, **quiet)  # type: ignore[call-overload]
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def close(self) -> None:
        """End it; what it held is lost."""
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/moto-api/").status_code < 500
        except httpx.TransportError:
            return False


@contextmanager
def running_s3_process() -> Iterator[S3Process]:
    """A server without buckets."""
    server = S3Process()
    try:
        yield server
    finally:
        server.close()
