"""Names and addresses of machines, as requests and settings tell them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_PORT = re.compile(r"[0-9]{0,5}")
_PREFIX = 64  # of one customer's IPv6 addresses


def ip_of(text: str) -> IpAddress | None:
    """An address, an IPv4 one also where IPv6 stands for it; None for what is none."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def host_of(header: str) -> str | None:
    """The host of a Host header, in small letters and without port; None for what is no host."""
    text = header.strip().lower()
    if text.startswith("["):
        host, found, port = text[1:].partition("]")
        if not found or (port and not port.startswith(":")):
            return None
        known, port = ip_of(host) is not None, port[1:]
    else:
        host, _, port = text.partition(":")
        host = host.removesuffix(".")
        known = len(host) <= 253 and _NAME.fullmatch(host) is not None
    return host if known and _PORT.fullmatch(port) else None


def is_loopback(host: str) -> bool:
    """True for a name or an address of this machine that no other one reaches."""
    found = ip_of(host.strip("[]"))
    if found is not None:
        return found.is_loopback
    return host == "localhost" or host.endswith(".localhost")


def who(address: str) -> str:
    """Whose address it is, for counting: of IPv6 the first 64 bits, which one customer has."""
    found = ip_of(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, _PREFIX), strict=False))
    return address if found is None else str(found)


class OwnNames:
    """The names that a server goes by: those of loopback, and what the settings name.

    A name that begins with `*.` stands for all below it.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._domains = tuple(name[1:] for name in self._names if name.startswith("*."))

    def __contains__(self, host: str) -> bool:
        return is_loopback(host) or host in self._names or host.endswith(self._domains)
