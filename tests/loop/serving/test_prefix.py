"""The server below a path of another one, and HEAD, over a real socket."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY

from adloom.loop.serving.app import create_app
from adloom.loop.serving.http.bodies import picture_path
from adloom.loop.serving.http.prefix import Places
from adloom.loop.settings import load_settings
from tests.loop.serving.edge_parts import listening
from tests.loop.serving.test_heads import HASTY

KEY = "a-key-of-sixteen-or-more"


@asynccontextmanager
async def _no_parts(_: FastAPI) -> AsyncIterator[None]:
    yield


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    serve = {"api_keys": [KEY], "public_url": "https://shop.example/ads"}
    pictures = {"public_url": "https://cdn.shop.example/ads"}
    home = tmp_path_factory.mktemp("prefix")
    app = create_app(load_settings(home=home, serve=serve, pictures=pictures))
    app.router.lifespan_context = _no_parts
    with (
        listening(app, HASTY) as port,
        httpx.Client(base_url=f"http://localhost:{port}") as client,
    ):
        yield client


@pytest.mark.parametrize("prefix", ["", "/ads"])
def test_pages_are_found_whether_the_proxy_takes_the_path_off_or_not(
    client: httpx.Client, prefix: str
) -> None:
    assert client.get(f"{prefix}/").headers["location"] == "/ads/studio"
    page = client.get(f"{prefix}/studio")
    assert 'src="studio/static/studio.js"' in page.text
    assert (
        "img-src 'self' blob: https://cdn.shop.example;" in page.headers["content-security-policy"]
    )
    for path in ("studio/static/studio.js", "v1/events.js", "healthz"):
        assert client.get(f"{prefix}/{path}").status_code == 200
    assert "'/ads/openapi.json'" in client.get(f"{prefix}/docs").text
    assert client.get(f"{prefix}/openapi.json").json()["servers"] == [{"url": "/ads"}]
    assert client.get(f"{prefix}/ads").status_code == (307 if not prefix else 404)
    large = b"x" * (2 << 20)
    assert client.post(f"{prefix}/v1/products", content=large).status_code == 401
    assert client.post(f"{prefix}/v1/events", content=large).status_code == 413


def test_it_goes_by_the_name_that_shoppers_know(client: httpx.Client) -> None:
    assert client.get("/studio", headers={"Host": "shop.example"}).status_code == 200
    assert client.get("/studio", headers={"Host": "other.example"}).status_code == 421


def test_metrics_tell_routes_and_no_prefix(client: httpx.Client) -> None:
    asked = [
        ("/ads/studio", ("/studio", "GET", "200")),
        ("/ads/studio/static/studio.css", ("/studio/static", "GET", "200")),
        ("/studio/static/studio.css", ("/studio/static", "GET", "200")),
        ("/ads/docs", ("/docs", "GET", "200")),
        ("/ads/v1/products/4711", ("/v1/products/{product_id:path}", "GET", "401")),
        ("/ads/nowhere", ("other", "GET", "404")),
    ]
    wanted = {labels: seen(*labels) for _, labels in asked}
    for path, labels in asked:
        client.get(path)
        wanted[labels] += 1
    client.head("/ads/studio")
    assert {labels: seen(*labels) for labels in wanted} == wanted
    deadline = time.monotonic() + 60
    while seen("/studio", "HEAD", "200") < 1:  # an answer is counted once it is on its way
        assert time.monotonic() < deadline
        time.sleep(0.01)


def seen(route: str, method: str, status: str) -> float:
    labels = {"route": route, "method": method, "status": status}
    return REGISTRY.get_sample_value("adloom_http_requests_total", labels) or 0.0


def test_pictures_have_whole_addresses_where_shoppers_get_them() -> None:
    path = picture_path("0f" * 32)
    shown = Places("/ads", "https://shop.example/ads")
    assert shown.public(path) == f"https://shop.example/ads/v1/pictures/{'0f' * 32}.webp"
    assert shown.own(path) == f"/ads/v1/pictures/{'0f' * 32}.webp"
    assert Places("/ads").public(path) == shown.own(path)
    assert Places().public(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/studio",
        "/studio/static/studio.js",
        "/docs",
        "/openapi.json",
        "/healthz",
        "/v1/events.js",
        "/v1/products",
        "/nowhere",
        "/v1/ads",
    ],
)
def test_a_head_is_that_of_the_whole(client: httpx.Client, path: str) -> None:
    whole, head = client.get(path), client.head(path)
    assert head.content == b""
    assert head.status_code == whole.status_code
    changing = {"date", "x-request-id"}
    assert {n: v for n, v in head.headers.items() if n not in changing} == {
        n: v for n, v in whole.headers.items() if n not in changing
    }
    assert client.get("/healthz").status_code == 200  # the connection goes on


def test_a_script_that_is_known_is_not_sent_again(client: httpx.Client) -> None:
    script = client.get("/v1/events.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "max-age" in script.headers["cache-control"]
    assert len(script.content) < 4_000
    again = client.get("/v1/events.js", headers={"If-None-Match": script.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
