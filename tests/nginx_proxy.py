"""A real nginx that shows a server below a path, as sites do."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

_CONFIG = """
daemon off;
{user}
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_set_header Host $http_host;
    server {{
        listen 127.0.0.1:{taken_off};
        location {prefix}/ {{ proxy_pass http://127.0.0.1:{port}/; }}
    }}
    server {{
        listen 127.0.0.1:{left_on};
        location {prefix}/ {{ proxy_pass http://127.0.0.1:{port}; }}
    }}
}}
"""


@contextmanager
def nginx(folder: Path, port: int, prefix: str, taken_off: int, left_on: int) -> Iterator[None]:
    """Shows what answers at a port below a prefix, while the block runs.

    Args:
        taken_off: where the server behind is asked without the prefix; ``left_on``: with it.
    """
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if binary is None:
        pytest.skip("needs nginx: apt-get install nginx-light")
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""  # who may write in the folder of the test
    told = {"folder": folder, "port": port, "prefix": prefix, "user": user}
    config.write_text(_CONFIG.format(**told, taken_off=taken_off, left_on=left_on))
    with subprocess.Popen([binary, "-p", str(folder), "-c", str(config)]) as running:
        try:
            _wait(running, f"http://127.0.0.1:{taken_off}{prefix}/healthz")
            yield
        finally:
            running.terminate()


def _wait(running: subprocess.Popen[bytes], url: str) -> None:
    while True:
        assert running.poll() is None, "nginx ended"
        try:
            httpx.get(url)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
