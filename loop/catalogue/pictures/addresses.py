"""Connections to public addresses alone, each within the time that all of a fetch has."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Any

import httpcore

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_UNICAST = ipaddress.ip_network("2000::/3")
_TUNNELS = tuple(map(ipaddress.ip_network, ("2001::/23", "2002::/16", "2001:db8::/32")))
"""Teredo and 6to4 carry any IPv4 address, private ones as well."""


_SILENCE_SECONDS = 10.0  # that a host may keep, also where all of a fetch may take an hour


class CannotFetch(ValueError):
    """Something that is not fetched; the message is one line that says why."""


def is_public(address: Address) -> bool:
    """True for addresses that anybody in the internet may reach, and that stand for themselves."""
    if address.is_multicast or not address.is_global:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return not address.is_reserved
    # IPv4 addresses in IPv6 clothes (mapped, NAT64) lie outside of 2000::/3.
    return address in _UNICAST and not any(address in tunnel for tunnel in _TUNNELS)


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(where[0]) for *_, where in found]


@dataclass(frozen=True)
class Addresses:
    """How hosts are found and trusted.

    Attributes:
        tls: None for the authorities that browsers trust.
    """

    resolve: Callable[[str, int], list[str]] = resolve
    allowed: Callable[[Address], bool] = is_public
    tls: ssl.SSLContext | None = None


PUBLIC = Addresses()


class PinnedBackend(httpcore.NetworkBackend):
    """Connects to the very address that was looked at."""

    def __init__(self, addresses: Addresses, deadline: float) -> None:
        self._addresses = addresses
        self._deadline = deadline
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Raises CannotFetch, and httpcore's errors."""
        try:
            found = self._addresses.resolve(host, port)
            known = [ipaddress.ip_address(address) for address in found]
        except (OSError, ValueError):
            raise CannotFetch(f"no host {host} is found") from None
        if not known or not all(map(self._addresses.allowed, known)):
            raise CannotFetch(f"{host} has a private address, and those are never fetched from")
        stream = self._plain.connect_tcp(
            str(known[0]), port, _left(self._deadline), local_address, socket_options
        )
        return _TimedStream(stream, self._deadline)


class _TimedStream(httpcore.NetworkStream):
    """A stream that ends at the deadline, however little comes at a time, or when nothing does."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline))
        return _TimedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    """Seconds that the next step may take. Raises ReadTimeout where there are none."""
    left = deadline - monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout
    return min(left, _SILENCE_SECONDS)
