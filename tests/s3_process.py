"""The same object store in a process of its own, which can be killed and started again: what it
acknowledged is there then.

Some libraries keep the interpreter's lock while they wait for an answer, and a server of the same
process could never give one.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.s3_server import S3Server

_START_SECONDS = 60.0


class S3Process(S3Server):
    """A child process."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is where it keeps what it was told."""
        os.environ.update(self.login)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._journal = folder / "journal"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once it answers, with what it had before."""
        command = [sys.executable, "-m", "tests.s3_journal", str(self.port), str(self._journal)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, **quiet)  # type: ignore[call-overload]
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            assert self._process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/moto-api/").status_code < 500
        except httpx.TransportError:
            return False


@contextmanager
def running_s3_process() -> Iterator[S3Process]:
    """A server without buckets."""
    with tempfile.TemporaryDirectory() as folder:
        server = S3Process(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.kill()
