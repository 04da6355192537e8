"""By which names the server is asked, and whose word counts for who asks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from adloom.loop.serving.app import create_app
from adloom.loop.serving.edge.addresses import host_of, ip_of, who
from adloom.loop.settings import SettingsError, load_settings
from tests.loop.serving.edge_parts import listening, send
from tests.loop.serving.test_heads import HASTY

KEY = "a-key-of-sixteen-or-more"
OWN = ["ads.example.com", "*.shop.example", "10.9.8.7"]


def asking(folder: Path, client: str = "127.0.0.1", **serve: Any) -> TestClient:
    """A client at such an address; what it asks for here needs none of the server's parts."""
    app = create_app(load_settings(home=folder, serve=serve))
    return TestClient(app, base_url="http://localhost", client=(client, 50_000))


def status(client: TestClient, host: str, path: str = "/openapi.json") -> int:
    return client.get(path, headers={"Host": host}).status_code


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    return asking(tmp_path_factory.mktemp("plain"), hosts=[])


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    return asking(tmp_path_factory.mktemp("named"), hosts=OWN, api_keys=[KEY])


@pytest.mark.parametrize("path", ["/", "/openapi.json", "/studio/api/shoppers", "/v1/products"])
def test_a_page_whose_name_was_made_to_point_here_reads_nothing(
    plain: TestClient, named: TestClient, path: str
) -> None:
    for client in (plain, named):
        for host in ("evil.example", "evil.example:8000", "localhost.evil.example", "192.0.2.7"):
            answer = client.get(path, headers={"Host": host, "X-API-Key": KEY})
            assert answer.status_code == 421
            assert "serve.hosts" in answer.json()["detail"]
            assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "localhost.", "a.localhost", "127.0.0.1", "[::1]:8000"]
)
def test_names_of_loopback_are_the_servers_own(plain: TestClient, host: str) -> None:
    assert status(plain, host) == 200


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("ads.example.com", 200),
        ("Ads.Example.com:443", 200),
        ("eu.ads.example.com", 421),
        ("eu.shop.example", 200),
        ("shop.example", 421),
        ("evilshop.example", 421),
        ("10.9.8.7:8000", 200),
        ("10.9.8.8", 421),
        ("localhost", 200),
    ],
)
def test_names_of_its_own_are_set(named: TestClient, host: str, expected: int) -> None:
    assert status(named, host) == expected


@pytest.mark.parametrize(
    "host", ["", "a b", "evil.example/localhost", "localhost@evil", "[::1", ":"]
)
def test_what_is_no_host_is_refused(plain: TestClient, host: str) -> None:
    assert status(plain, host) == 400


def test_probes_come_by_any_address(plain: TestClient) -> None:
    assert status(plain, "10.1.2.3:8000", "/healthz") == 200
    assert status(plain, "evil.example", "/healthz") == 200


def test_a_request_names_its_host_once_and_the_address_that_it_came_to_is_one(
    tmp_path: Path,
) -> None:
    app = create_app(load_settings(home=tmp_path, serve={"hosts": []}))
    app.router.lifespan_context = _no_parts
    ask = b"GET /openapi.json HTTP/1.1\r\n"
    with listening(app, HASTY) as port:
        here = b"Host: 127.0.0.1:%d\r\n" % port
        assert send(port, ask + here + b"\r\n").status == 200
        assert send(port, ask + here + here + b"\r\n").status == 400
        assert send(port, ask + b"\r\n").status == 400
        assert send(port, b"GET /openapi.json HTTP/1.0\r\n\r\n").status == 400
        whole = b"GET http://evil.example/openapi.json HTTP/1.1\r\n"
        assert send(port, whole + here + b"\r\n").status == 421
        assert send(port, b"GET /healthz HTTP/1.0\r\n\r\n").status == 200
        upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        assert send(port, ask + b"Host: evil.example\r\n" + upgrade + b"\r\n").status == 421


def test_nobody_is_believed_who_it_speaks_for(tmp_path: Path) -> None:
    client = asking(tmp_path, rate_limit="3/hour")
    answers = [_post(client, {"X-Forwarded-For": f"198.51.100.{n}"}) for n in range(5)]
    assert answers == [422] * 3 + [429] * 2
    forwarded = {"Forwarded": "for=198.51.100.9", "X-Forwarded-Host": "other", "X-Real-IP": "9"}
    assert _post(client, forwarded) == 429


def test_a_proxy_of_the_settings_is_believed(tmp_path: Path) -> None:
    trusted = {"trusted_proxies": ["10.0.0.0/8", "::1"], "rate_limit": "2/hour"}
    client = asking(tmp_path, "10.1.2.3", **trusted)
    for shopper in ("198.51.100.1", "198.51.100.2"):
        # What the client told the proxy stands before what the proxy saw.
        told = [_post(client, {"X-Forwarded-For": f"192.0.2.{n}, {shopper}"}) for n in range(3)]
        assert told == [422, 422, 429]
    stranger = asking(tmp_path, "11.1.2.3", **trusted)
    assert [_post(stranger, {"X-Forwarded-For": f"192.0.2.{n}"}) for n in range(3)][2] == 429


def test_cards_are_for_every_page_and_counted_by_address(tmp_path: Path) -> None:
    client = asking(tmp_path, api_keys=[KEY], rate_limit="2/hour")
    elsewhere = {"sec-fetch-site": "cross-site", "origin": "https://blog.example"}
    for status_code in (422, 422, 429):  # what is asked for needs no part of the server
        asked = client.get("/v1/ads/a/card.webp?format=poster", headers=elsewhere)
        assert asked.status_code == status_code


def test_an_ipv6_customer_is_counted_once(tmp_path: Path) -> None:
    client = asking(tmp_path, "::1", trusted_proxies=["::1"], rate_limit="2/hour")
    one = [_post(client, {"X-Forwarded-For": f"2001:db8:1:2::{n}"}) for n in range(3)]
    assert one == [422, 422, 429]
    assert _post(client, {"X-Forwarded-For": "2001:db8:1:3::1"}) == 422


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("hosts", ["https://ads.example.com"], "no scheme, port or path"),
        ("hosts", ["ads.example.com:80"], "no scheme, port or path"),
        ("hosts", ["*"], "no scheme, port or path"),
        ("hosts", ["a..b"], "no scheme, port or path"),
        ("trusted_proxies", ["proxy.example"], "not a valid IPv4 or IPv6 network"),
        ("trusted_proxies", ["10.0.0.0/64"], "not a valid IPv4 or IPv6 network"),
        ("max_connections", 0, "must be at least 8"),
    ],
)
def test_a_wrong_setting_is_told_at_start(
    tmp_path: Path, setting: str, value: Any, told: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(home=tmp_path, serve={setting: value})
    assert str(refused.value).startswith(f"serve.{setting}")
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


@given(st.text(max_size=40))
def test_any_text_is_a_host_or_none(text: str) -> None:
    host = host_of(text)
    if host is not None:
        assert host_of(f"[{host}]:80" if ":" in host else f"{host}:80") == host
        assert not set(host) & set("/@ ?#\\\r\n")


@given(st.ip_addresses())
def test_an_address_is_itself_and_ipv6_the_first_half(address: Any) -> None:
    counted = who(str(address))
    if ip_of(str(address)).version == 4:  # type: ignore[union-attr]
        assert counted == str(ip_of(str(address)))
    else:
        assert counted.endswith("/64")
        assert who(f"{address}%eth0") == counted


def _post(client: TestClient, headers: dict[str, str]) -> int:
    return client.post("/v1/events", json={"no": "such field"}, headers=headers).status_code


@asynccontextmanager
async def _no_parts(_: FastAPI) -> AsyncIterator[None]:
    yield
