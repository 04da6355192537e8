"""Pictures and feeds from the hosts that the settings name, over https alone.

What a feed says is not trusted: it could name a machine inside the network of the shop. So a host
must be allowed by name, all addresses that it has must be public, and the connection goes to an
address that was looked at, not to what a second question to the name server would give.
"""

from __future__ import annotations

import functools
import io
import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import BinaryIO
from urllib.parse import urljoin
from uuid import uuid4

import httpcore
import httpx

from adloom.loop.catalogue.pictures.addresses import (
    PUBLIC,
    Addresses,
    CannotFetch,
    PinnedBackend,
)

__all__ = ["CannotFetch", "fetch", "fetch_picture"]

_PICTURE_SECONDS = 20.0
_MAX_REDIRECTS = 3
_MAX_URL = 2_048
_PORT = 443
_REDIRECTS = (301, 302, 303, 307, 308)
_HEADERS: dict[bytes | str, bytes | str] = {
    "User-Agent": "adloom",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}


def fetch_picture(
    url: str,
    *,
    hosts: Sequence[str],
    max_bytes: int,
    timeout: float = _PICTURE_SECONDS,
    addresses: Addresses = PUBLIC,
) -> bytes:
    """The bytes behind an https address.

    Args:
        hosts: names allowed: ``shop.example``, ``*.shop.example`` for all under it, and
            ``shop.example:8443`` for a port other than 443.
        timeout: seconds for all of it, redirects included.
        addresses: how hosts are found; tests give their own.

    Raises CannotFetch.
    """
    content = io.BytesIO()
    _fetch(url, content, hosts, max_bytes, timeout, addresses)
    return content.getvalue()


def fetch(
    url: str,
    file: Path,
    *,
    hosts: Sequence[str],
    max_bytes: int,
    timeout: float,
    addresses: Addresses = PUBLIC,
) -> None:
    """The same into a file, which is there only once all of it is.

    Raises CannotFetch.
    """
    partial = file.with_name(f".{uuid4().hex}.partial")
    try:
        with os.fdopen(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as to:
            _fetch(url, to, hosts, max_bytes, timeout, addresses)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def _fetch(
    url: str,
    to: BinaryIO,
    hosts: Sequence[str],
    max_bytes: int,
    timeout: float,
    addresses: Addresses,
) -> None:
    deadline = monotonic() + timeout
    backend = PinnedBackend(addresses, deadline)
    tls = addresses.tls or _tls()
    try:
        # No proxy of the environment is asked: it would resolve names by itself.
        with httpcore.ConnectionPool(ssl_context=tls, network_backend=backend) as pool:
            for _ in range(_MAX_REDIRECTS + 1):
                target = _checked(url, hosts)
                with pool.stream("GET", target, headers=_HEADERS) as response:
                    headers = httpx.Headers(response.headers)
                    if response.status in _REDIRECTS and "location" in headers:
                        url = _joined(url, headers["location"])
                        continue
                    _receive(response, headers, to, max_bytes)
                    return
    except httpcore.TimeoutException:
        if monotonic() < deadline:
            raise CannotFetch("the host says nothing for too long") from None
        raise CannotFetch(f"it took more than {timeout:g} seconds") from None
    except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError, OSError) as error:
        raise CannotFetch(f"the host does not answer as it should ({_line(error)})") from error
    raise CannotFetch(f"it is redirected more than {_MAX_REDIRECTS} times")


@functools.cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _checked(url: str, hosts: Sequence[str]) -> httpcore.URL:
    """The address in parts, where it may be asked. Raises CannotFetch."""
    if len(url) > _MAX_URL:
        raise CannotFetch(f"its address has more than {_MAX_URL:,} characters")
    try:
        parts = httpx.URL(url)
        host = parts.raw_host.decode("ascii")
    except (httpx.InvalidURL, UnicodeError):
        raise CannotFetch("this is no address") from None
    if parts.scheme != "https" or not host:
        raise CannotFetch("only https addresses are fetched")
    if parts.userinfo:
        raise CannotFetch("its address holds a name or a password: leave them out")
    port = parts.port or _PORT
    if not _named(host, port, hosts):
        shown = host if port == _PORT else f"{host}:{port}"
        raise CannotFetch(f"[catalog] hosts does not name {shown}: add it to fetch from there")
    return httpcore.URL(scheme="https", host=host, port=port, target=parts.raw_path)


def _joined(url: str, moved: str) -> str:
    try:
        return urljoin(url, moved)
    except ValueError:
        raise CannotFetch("it is redirected to what is no address") from None


def _named(host: str, port: int, hosts: Sequence[str]) -> bool:
    for pattern in hosts:
        name, _, own_port = pattern.lower().partition(":")
        if port != (int(own_port) if own_port.isdecimal() else _PORT):
            continue
        if host == name or (name.startswith("*.") and host.endswith(name[1:])):
            return True
    return False


def _receive(
    response: httpcore.Response, headers: httpx.Headers, to: BinaryIO, max_bytes: int
) -> None:
    """Raises CannotFetch where it is refused, packed, or too much."""
    if response.status != 200:
        raise CannotFetch(f"the host answers with status {response.status}")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise CannotFetch("the host sends it packed, though asked not to")
    too_much = CannotFetch(f"it is larger than {max_bytes:,} bytes")
    told = headers.get("content-length", "0")
    if told.isdecimal() and int(told) > max_bytes:
        raise too_much
    received = 0
    for chunk in response.iter_stream():
        received += len(chunk)
        if received > max_bytes:
            raise too_much
        to.write(chunk)


def _line(error: Exception) -> str:
    """One line, whatever the host sent."""
    return " ".join(str(error).split())[:200] or type(error).__name__
