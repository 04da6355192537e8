"""Pages of shops at origins of their own, and a studio's server behind a real proxy."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from tests.nginx_proxy import nginx
from tests.redis_nodes import free_port

PREFIX, PUBLIC_KEY = "/ads", "a-key-that-is-in-the-pages"
PAGE = """<!doctype html><title>shop</title>
<script async src="{ads}/v1/events.js" data-key="{key}" data-user="{user}"></script>
<a id="ad" href="#clicked" data-adloom-product="running-shoes" data-adloom-ad="ad-1">Shoes</a>
<a id="drawn" href="#clicked" data-adloom-product="straw-hat" data-adloom-ad="ad-2"
  data-adloom-counted>Of an answer</a>
<p style="height: 5000px"></p>
<a href="#" data-adloom-product="coffee-mug">Below what anybody sees</a>
<script>
setTimeout(() => document.body.insertAdjacentHTML("afterbegin",
    '<p data-adloom-product="desk-lamp" data-adloom-user="{user}-2">Late</p>'));
</script>"""


@dataclass(frozen=True)
class Site:
    """Origins of two shops' pages, and where a proxy shows the server.

    The proxy asks it without ``PREFIX`` (``taken_off``) or with it (``left_on``).
    """

    shop: str
    other: str
    taken_off: int
    left_on: int

    @property
    def public_url(self) -> str:
        return f"http://127.0.0.1:{self.taken_off}{PREFIX}"

    @property
    def addresses(self) -> list[str]:
        return [self.public_url, f"http://127.0.0.1:{self.left_on}{PREFIX}"]

    @contextmanager
    def proxy(self, folder: Path, address: str) -> Iterator[None]:
        """Before the server at an address, while the block runs."""
        port = urlsplit(address).port
        assert port is not None
        with nginx(folder, port, PREFIX, self.taken_off, self.left_on):
            yield


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """Pages that tell the server of what is seen on them."""
    with _pages(folder / "shop") as shop, _pages(folder / "other") as other:
        found = Site(shop, other, free_port(), free_port())
        for name in ("shop", "other"):
            page = PAGE.format(ads=found.public_url, key=PUBLIC_KEY, user=f"of-{name}")
            (folder / name / "index.html").write_text(page)
        yield found


@contextmanager
def _pages(folder: Path) -> Iterator[str]:
    """An origin that shows the files of a folder."""
    folder.mkdir()
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass
