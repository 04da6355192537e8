"""`adloom serve` as a process of its own, for as long as a block runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import httpx
import psutil

from tests.stocked import stocked

ROOT = Path(__file__).parents[3]
PATHS = f"{ROOT / '.package'}:{ROOT}"
_START_SECONDS = 180.0
_DRAWS = "adloom.loop.serving.apart.child"


@dataclass(frozen=True)
class Running:
    """A server that answers at ``url``."""

    url: str
    pid: int

    def cpu_seconds(self) -> dict[str, float]:
        """What it has computed so far: what draws, and all else with the broker that it started.

        Wall time tells little on a machine that others use, this tells much.
        """
        spent = {"drawing": 0.0, "server": 0.0}
        own = psutil.Process(self.pid)
        for process in (own, *own.children(recursive=True)):
            times = process.cpu_times()
            spent["drawing" if _DRAWS in process.cmdline() else "server"] += (
                times.user + times.system
            )
        return spent


@contextmanager
def running_server(
    folder: Path, replicas: int | None, told: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Running]:
    """`adloom serve` as a process with all it keeps under ``folder``.

    Args:
        told: goes into its environment.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", "from adloom.loop.commands.app import app; app()", "serve"]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("ADLOOM_")
    } | {
        "ADLOOM_HOME": str(stocked(folder / "home")),
        "ADLOOM_SERVE__RATE_LIMIT": "1000000/minute",  # all visitors have one address
        "PYTHONPATH": PATHS,
        **told,
    }
    if replicas is not None:
        command.append("--ray")
        environment |= {f"ADLOOM_RAY__{end}_REPLICAS": str(replicas) for end in ("MIN", "MAX")}
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port)], cwd=folder, env=environment, stdout=log, stderr=log
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url, server, folder / "server.log")
            yield Running(url, server.pid)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


def _wait_until_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"the server did not start: {log.read_text()[-2_000:]}")
