"""Addresses of the web as settings name them: origins of pages, and where a server is reached."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

ANY_ORIGIN = "*"

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,250}[a-z0-9_])?|\[[0-9a-f:.]+\]")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_OWN = frozenset(
    {"v1", "studio", "docs", "redoc", "openapi.json", "healthz", "readyz", "metrics", "..", "."}
)
"""What paths of the server itself begin with."""


def origin(text: str) -> str:
    """An origin as browsers tell it: small letters, no default port; or "*". Raises ValueError."""
    if text.strip() == ANY_ORIGIN:
        return ANY_ORIGIN
    try:
        parts = urlsplit(text.strip().lower())
        found = _origin_of(parts)
    except ValueError:
        found = None
    if found is None or parts.path not in ("", "/") or "?" in text or "#" in text:
        raise ValueError(
            f"{text!r} is no origin: scheme, host and, where it is another than usual, port, such "
            "as https://shop.example or http://localhost:3000 (names with other letters as xn--…)"
        )
    return found


def origin_of(url: str) -> str | None:
    """The origin of an address; None where it has none."""
    try:
        return _origin_of(urlsplit(url.lower()))
    except ValueError:
        return None


def prefix(text: str) -> str:
    """A path before all paths of the server: "/ads", "" for none. Raises ValueError."""
    path = text.strip().rstrip("/")
    if not path:
        return ""
    if not _PREFIX.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise ValueError(f"{text!r} is no path such as /ads")
    first = path.split("/")[1]
    if first in _OWN:
        # With a proxy that takes it off, /v1/ads could be either.
        raise ValueError(f"paths of the server itself begin with /{first}: choose another")
    return path


def public_address(text: str) -> str:
    """Where a server is reached, without a slash at its end. Raises ValueError."""
    parts = urlsplit(text.strip())
    found = origin_of(text.strip())
    if found is None or parts.query or parts.fragment:
        raise ValueError("not an address such as https://shop.example/ads")
    return found + prefix(parts.path)


def _origin_of(parts: SplitResult) -> str | None:
    """Raises ValueError."""
    host, port = parts.netloc, parts.port
    if port is not None:
        host = host.rpartition(":")[0]
    if parts.scheme not in _PORTS or not _HOST.fullmatch(host) or ".." in host:
        return None
    usual = port is None or port == _PORTS[parts.scheme]
    return f"{parts.scheme}://{host}" if usual else f"{parts.scheme}://{host}:{port}"
