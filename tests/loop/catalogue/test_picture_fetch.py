"""Pictures and feeds come from the hosts that were named, from public addresses, in time."""

from __future__ import annotations

import dataclasses
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from time import sleep

import pytest

from adloom.loop.catalogue.pictures import addresses
from adloom.loop.catalogue.pictures.addresses import Addresses, CannotFetch, is_public
from adloom.loop.catalogue.pictures.fetch import fetch, fetch_picture
from tests.loop.catalogue.picture_host import ShopHost, running_host, sends


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopHost]:
    with running_host(tmp_path_factory.mktemp("host")) as running:
        yield running


def got(host: ShopHost, path: str, max_bytes: int = 1 << 20, timeout: float = 20.0) -> bytes:
    return fetch_picture(
        host.url(path),
        hosts=[host.name],
        max_bytes=max_bytes,
        timeout=timeout,
        addresses=host.addresses,
    )


def test_what_the_host_sends_arrives(host: ShopHost) -> None:
    host.answers["/shoe.png?size=2"] = sends(b"a shoe")
    assert got(host, "/shoe.png?size=2") == b"a shoe"


def test_a_file_is_there_only_once_all_of_it_is(host: ShopHost, tmp_path: Path) -> None:
    host.answers["/feed"] = sends(b"id,title")
    host.answers["/half"] = sends(b"id,title", content_length="99")

    def save(path: str, file: Path) -> None:
        fetch(
            host.url(path),
            file,
            hosts=[host.name],
            max_bytes=100,
            timeout=20,
            addresses=host.addresses,
        )

    save("/feed", tmp_path / "feed.csv")
    assert (tmp_path / "feed.csv").read_bytes() == b"id,title"
    with pytest.raises(CannotFetch, match="does not answer as it should"):
        save("/half", tmp_path / "half.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["feed.csv"]


def test_it_is_found_where_it_was_moved_to(host: ShopHost) -> None:
    host.answers["/old"] = sends(b"", 302, location="new")
    host.answers["/new"] = sends(b"here")
    assert got(host, "/old") == b"here"


def test_it_is_not_looked_for_for_ever(host: ShopHost) -> None:
    host.answers["/round"] = sends(b"", 301, location="/round")
    with pytest.raises(CannotFetch, match="redirected more than 3 times"):
        got(host, "/round")


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("http://shop.example/", "only https"),
        ("https://elsewhere.example/", "does not name elsewhere.example"),
        ("https://shop.example/", "does not name shop.example"),
        ("https://user:secret@shop.example/", "password"),
        ("file:///etc/passwd", "only https"),
        ("https://[::1", "no address"),
    ],
)
def test_every_step_of_the_way_is_checked(host: ShopHost, to: str, words: str) -> None:
    host.answers["/away"] = sends(b"", 307, location=to)
    with pytest.raises(CannotFetch, match=words):
        got(host, "/away")


@pytest.mark.parametrize("told", [True, False])
def test_more_than_allowed_is_refused(host: ShopHost, told: bool) -> None:
    def untold(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(bytes(2000))

    host.answers["/large"] = sends(bytes(2000)) if told else untold
    with pytest.raises(CannotFetch, match="larger than 1,000 bytes"):
        got(host, "/large", max_bytes=1000)


def test_what_was_packed_is_refused(host: ShopHost) -> None:
    host.answers["/bomb"] = sends(b"...", content_encoding="gzip")
    with pytest.raises(CannotFetch, match="packed"):
        got(host, "/bomb")


def test_a_refusal_of_the_host_is_told(host: ShopHost) -> None:
    host.answers["/gone"] = sends(b"", 404)
    with pytest.raises(CannotFetch, match="status 404"):
        got(host, "/gone")


@pytest.mark.parametrize("slow", ["headers", "body"])
def test_a_host_that_drips_is_left(host: ShopHost, slow: str) -> None:
    def drip(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\n" + (b"\r\n" if slow == "body" else b""))
        try:
            while True:
                request.wfile.write(b"x")
                request.wfile.flush()
                sleep(0.02)
        except OSError:
            pass

    host.answers["/drip"] = drip
    with pytest.raises(CannotFetch, match=r"more than 0\.3 seconds"):
        got(host, "/drip", timeout=0.3)


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nid"])
def test_a_host_that_falls_silent_is_left_long_before_its_time_is_over(
    host: ShopHost, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def fall_silent(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(sent)
        request.wfile.flush()
        over.wait(60)

    host.answers["/silent"] = fall_silent
    monkeypatch.setattr(addresses, "_SILENCE_SECONDS", 0.3)
    with pytest.raises(CannotFetch, match="says nothing for too long"):
        got(host, "/silent", timeout=3_600)
    over.set()


@pytest.mark.parametrize(
    ("url", "hosts", "words"),
    [
        ("https://shop.example/a", [], "does not name shop.example"),
        ("https://a.shop.example/a", ["shop.example"], "does not name"),
        ("https://shop.example/a", ["*.shop.example"], "does not name"),
        ("https://badshop.example/a", ["*.shop.example"], "does not name"),
        ("https://shop.example:22/a", ["shop.example"], "does not name shop.example:22"),
        ("https://shop.example@evil.example/a", ["shop.example"], "name or a password"),
        ("http://shop.example/a", ["shop.example"], "only https"),
        ("ftp://shop.example/a", ["shop.example"], "only https"),
        ("https:///a", ["shop.example"], "only https|no address"),
        ("https://[::1/a", ["shop.example"], "no address"),
        ("https://shop.example/" + "a" * 3000, ["shop.example"], "2,048 characters"),
        ("https://shop.example/\0", ["shop.example"], "no address"),
    ],
)
def test_addresses_that_are_not_asked(url: str, hosts: list[str], words: str) -> None:
    def never(host: str, port: int) -> list[str]:
        raise AssertionError(f"{host} was looked up")

    with pytest.raises(CannotFetch, match=words) as refused:
        fetch_picture(url, hosts=hosts, max_bytes=10, addresses=Addresses(resolve=never))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("https://SHOP.example./a", ["*.example."]),
        ("https://cdn.shop.example/a", ["*.shop.example"]),
        ("https://a.b.shop.example:8443/a", ["*.shop.example:8443"]),
        ("https://müller.example/a", ["xn--mller-kva.example"]),
        ("https://shop.example/a", ["SHOP.example"]),
    ],
)
def test_hosts_that_were_named_are_looked_up(url: str, hosts: list[str]) -> None:
    """And refused for their private address: that is as far as this test gets."""
    private = Addresses(resolve=lambda host, port: ["10.0.0.1"])
    with pytest.raises(CannotFetch, match="private address"):
        fetch_picture(url, hosts=hosts, max_bytes=10, addresses=private)


def test_one_private_address_among_public_ones_is_enough() -> None:
    mixed = Addresses(resolve=lambda host, port: ["93.184.215.14", "127.0.0.1"])
    with pytest.raises(CannotFetch, match="private address"):
        fetch_picture("https://shop.example", hosts=["shop.example"], max_bytes=1, addresses=mixed)


def test_loopback_is_refused_unless_a_test_says_otherwise(host: ShopHost) -> None:
    asked = len(host.asked)
    with pytest.raises(CannotFetch, match="private address"):
        fetch_picture(
            f"https://localhost:{host.port}/", hosts=[f"localhost:{host.port}"], max_bytes=10
        )
    assert len(host.asked) == asked


def test_a_host_without_an_address_is_told() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(CannotFetch, match=r"no host shop\.example"):
        fetch_picture(
            "https://shop.example",
            hosts=["shop.example"],
            max_bytes=1,
            addresses=Addresses(resolve=unknown),
        )


def test_the_name_is_looked_up_once(host: ShopHost) -> None:
    """A second answer of the name server could be another one."""
    looked_up: list[str] = []

    def resolve(name: str, port: int) -> list[str]:
        looked_up.append(name)
        return ["127.0.0.1"]

    host.answers["/once"] = sends(b"once")
    addresses = dataclasses.replace(host.addresses, resolve=resolve)
    fetch_picture(host.url("/once"), hosts=[host.name], max_bytes=10, addresses=addresses)
    assert looked_up == ["shop.example"]


def test_a_certificate_that_nobody_vouches_for_is_refused(host: ShopHost) -> None:
    strict = dataclasses.replace(host.addresses, tls=ssl.create_default_context())
    with pytest.raises(CannotFetch, match="certificate"):
        fetch_picture(host.url("/"), hosts=[host.name], max_bytes=10, addresses=strict)


def test_a_certificate_for_another_name_is_refused(host: ShopHost) -> None:
    with pytest.raises(CannotFetch, match="certificate"):
        fetch_picture(
            f"https://other.example:{host.port}/",
            hosts=["*.example", f"other.example:{host.port}"],
            max_bytes=10,
            addresses=host.addresses,
        )


def test_proxies_of_the_environment_are_not_asked(
    host: ShopHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    host.answers["/direct"] = sends(b"direct")
    assert got(host, "/direct") == b"direct"


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
        *("::1", "::", "fe80::1", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1", "::127.0.0.1"),
        *("::ffff:127.0.0.1", "::ffff:93.184.215.14", "64:ff9b::7f00:1", "64:ff9b:1::1"),
        *("2002:7f00:1::", "2001:0:53aa::1", "100::1"),
    ],
)
def test_addresses_inside_of_networks_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["93.184.215.14", "1.1.1.1", "2606:4700:4700::1111"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))
