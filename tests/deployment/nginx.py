"""nginx with the gate of the compose file, before the servers of a shop."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.checkout import CHECKOUT
from tests.nginx_process import running_nginx

_GATE = CHECKOUT / ".compose" / "gate.conf"


@contextmanager
def running_gate(folder: Path, servers: Sequence[str]) -> Iterator[str]:
    """The gate's address, before servers (`host:port`), for the block. Raises NoNginx."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    told = _GATE.read_text().replace("listen 8000;", f"listen 127.0.0.1:{port};")
    for number, server in enumerate(servers, start=1):
        told = re.sub(rf"server server-{number}:\d+", f"server {server}", told)
    with running_nginx(folder, told, port):
        yield f"http://127.0.0.1:{port}"
