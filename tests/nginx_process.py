"""A real nginx with what a test gives it to serve."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_START_SECONDS = 30.0
# What its packages and images bring along, under a folder of one's own.
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
    {servers}
}}
"""


class NoNginx(RuntimeError):
    """There is no nginx to start."""


@contextmanager
def running_nginx(folder: Path, servers: str, port: int) -> Iterator[None]:
    """Runs for the block, with ``servers`` of its language; one listens on ``port``.

    Raises NoNginx.
    """
    program = shutil.which("nginx", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if program is None:
        raise NoNginx("nginx is not installed: apt-get install nginx-light")
    folder.mkdir(parents=True, exist_ok=True)
    user = "user root;" if os.geteuid() == 0 else ""  # who may write in the folder of the test
    (folder / "nginx.conf").write_text(_AROUND.format(user=user, servers=servers))
    given = ["-p", str(folder), "-c", "nginx.conf", "-e", "error.log", "-g", "daemon off;"]
    process = subprocess.Popen([program, *given])
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _listens(port):
            assert process.poll() is None, (folder / "error.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
