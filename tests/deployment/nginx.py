"""nginx with the gate of the compose file, before the servers of a shop."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.checkout import CHECKOUT

_GATE = CHECKOUT / ".compose" / "gate.conf"
_START_SECONDS = 30.0
# What the image of nginx brings along, under a folder of one's own.
_AROUND = """
{user}
pid nginx.pid;
error_log error.log;
worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {gate}
}}
"""


class NoNginx(RuntimeError):
    """There is no nginx to start."""


@contextmanager
def running_gate(folder: Path, servers: Sequence[str]) -> Iterator[str]:
    """The gate's address, before servers (`host:port`), for the block. Raises NoNginx."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if program is None:
        raise NoNginx("nginx is not installed: apt-get install nginx-light")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    told = _GATE.read_text().replace("listen 8000;", f"listen 127.0.0.1:{port};")
    for number, server in enumerate(servers, start=1):
        told = re.sub(rf"server server-{number}:\d+", f"server {server}", told)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_AROUND.format(user=user, gate=told))
    given = ["-p", str(folder), "-c", "nginx.conf", "-e", "error.log", "-g", "daemon off;"]
    process = subprocess.Popen([program, *given])
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _listens(port):
            assert process.poll() is None, (folder / "error.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
