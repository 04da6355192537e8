"""Who may use the API: whoever knows a key, where the settings have any, and not too often."""

from __future__ import annotations

import hmac
import math
import time
from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Header, HTTPException, Request
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from adloom.loop.serving.edge.addresses import OwnNames, who
from adloom.loop.settings.serving import ServeSettings


class Access:
    """Looks at each request that draws, takes events, tells of shoppers or moves aliases."""

    def __init__(self, settings: ServeSettings) -> None:
        self._keys = tuple(key.get_secret_value().encode() for key in settings.api_keys)
        self._forget_keys = tuple(key.get_secret_value().encode() for key in settings.forget_keys)
        self._names = OwnNames(settings.hosts)
        self._rate = parse(settings.rate_limit)
        self._requests = MovingWindowRateLimiter(MemoryStorage())

    @property
    def key_needed(self) -> bool:
        """True where the settings have keys."""
        return bool(self._keys)

    def check(self, request: Request, key: str | None) -> None:
        """Raises HTTPException: 401 without a known key, 403 for another site, 429 too often."""
        self._look(request, key, self._keys, "key")

    def count(self, request: Request) -> None:
        """The same of an address, for what anybody may ask for. Raises HTTPException: 429."""
        self._count(_address(request))

    def check_forgetting(self, request: Request, key: str | None) -> None:
        """The same for who erases users, which takes a key of its own."""
        self._look(request, key, self._forget_keys, "forget key")
        if not self._forget_keys:
            raise HTTPException(403, "no key may forget users here: set serve.forget_keys")

    def _look(self, request: Request, key: str | None, keys: Sequence[bytes], of: str) -> None:
        self._refuse_other_sites(request)
        # All keys are looked at, so that the time does not tell which one is nearly right.
        given = (key or "").encode()
        matches = [hmac.compare_digest(given, known) for known in keys]
        if any(matches):
            self._count(f"{of} {matches.index(True)}")
            return
        # A wrong key counts too, or guessing would cost nothing.
        self._count(_address(request))
        if keys:
            told = "X-API-Key: not a known key" if key else "X-API-Key: a key is needed for this"
            raise HTTPException(401, told, headers={"WWW-Authenticate": "ApiKey"})

    def _count(self, who: str) -> None:
        if not self._requests.hit(self._rate, who):
            free_at = self._requests.get_window_stats(self._rate, who).reset_time
            wait = max(1, math.ceil(free_at - time.time()))
            told = f"more than {self._rate} (serve.rate_limit)"
            raise HTTPException(429, told, headers={"Retry-After": str(wait)})

    def _refuse_other_sites(self, request: Request) -> None:
        """What another site's page makes a browser send, also under a name that it gave us."""
        told = "the server takes no requests from the pages of other sites"
        if request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
            raise HTTPException(403, told)
        origin = request.headers.get("origin")
        if origin and not self._keys and _host_of(origin) not in self._names:
            raise HTTPException(403, f"{told}; names of its own are set in serve.hosts")


def _address(request: Request) -> str:
    return f"address {who(request.client.host) if request.client else ''}"


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""


async def _checked(
    request: Request, x_api_key: Annotated[str | None, Header(max_length=256)] = None
) -> None:
    access: Access = request.app.state.access
    access.check(request, x_api_key)


async def _counted(request: Request) -> None:
    access: Access = request.app.state.access
    access.count(request)


async def _may_forget(
    request: Request, x_api_key: Annotated[str | None, Header(max_length=256)] = None
) -> None:
    access: Access = request.app.state.access
    access.check_forgetting(request, x_api_key)


MayForget = [Depends(_may_forget)]
"""Dependencies of a route that erases users."""
Counted = [Depends(_counted)]
"""Dependencies of a route that anybody may use, other sites' pages too, and that costs work."""
Admitted = [Depends(_checked)]
"""Dependencies of a route that not everybody may use."""
