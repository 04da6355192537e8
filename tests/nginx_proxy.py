"""A real nginx that shows a server below a path, as sites do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.nginx_process import NoNginx, running_nginx

_SERVERS = """
    proxy_set_header Host $http_host;
    server {{
        listen 127.0.0.1:{taken_off};
        location {prefix}/ {{ proxy_pass http://127.0.0.1:{port}/; }}
    }}
    server {{
        listen 127.0.0.1:{left_on};
        location {prefix}/ {{ proxy_pass http://127.0.0.1:{port}; }}
    }}
"""


@contextmanager
def nginx(folder: Path, port: int, prefix: str, taken_off: int, left_on: int) -> Iterator[None]:
    """Shows what answers at a port below a prefix, while the block runs.

    Args:
        taken_off: where the server behind is asked without the prefix; ``left_on``: with it.
    """
    told = _SERVERS.format(port=port, prefix=prefix, taken_off=taken_off, left_on=left_on)
    try:
        with running_nginx(folder, told, taken_off):
            yield
    except NoNginx as error:
        pytest.skip(str(error))
