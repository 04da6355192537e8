"""Who may use the API: whoever has a key of the role that a route asks for, and not too often."""

from __future__ import annotations

import hmac
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Header, HTTPException, Query, Request
from limits import parse

from adloom.loop.serving.edge.addresses import OwnNames, who
from adloom.loop.serving.http.counting import refused_by
from adloom.loop.serving.http.once import Once
from adloom.loop.serving.http.origins import is_of_this_server
from adloom.loop.serving.http.rates import Rate
from adloom.loop.settings.keys import STAFF, Role, lists_of
from adloom.loop.settings.serving import ServeSettings
from adloom.loop.settings.web_addresses import ANY_ORIGIN

_log = logging.getLogger("adloom.serve")

Roles = frozenset[Role]
_Dependency = Callable[..., Awaitable[Roles]]
_Key = Annotated[str | None, Header(max_length=256)]
_EVERYBODY: Roles = frozenset()
_ALL_STAFF: Roles = frozenset(STAFF)
_WRITE: Roles = frozenset({"write"})
_FROM_PAGES: Roles = frozenset({"publishable"})


@dataclass(frozen=True)
class _Known:
    """A key of the settings."""

    number: int
    secret: bytes
    roles: Roles


class _Limit:
    """A rate of the settings."""

    def __init__(self, setting: str, told: str) -> None:
        self._setting, self._told = setting, parse(told)
        self._rate = Rate(self._told)

    def count(self, who: str) -> None:
        """Raises HTTPException: 429."""
        wait = self._rate.wait(who)
        if wait > 0:
            told = f"more than {self._told} (serve.{self._setting})"
            raise HTTPException(429, told, headers={"Retry-After": str(math.ceil(wait))})


class Access:
    """Looks at each request that draws, takes events, tells of shoppers or changes anything.

    Where the settings have no keys for staff, everybody has all of its roles.
    """

    def __init__(self, settings: ServeSettings) -> None:
        listed = enumerate(settings.known_keys())
        self._keys = [_Known(number, secret, roles) for number, (secret, roles) in listed]
        self.key_needed = settings.key_needed
        self._names = OwnNames(settings.own_hosts)
        self._origins = frozenset(settings.cors_origins)
        self._rate = _Limit("rate_limit", settings.rate_limit)
        self._page_rate = _Limit("page_rate_limit", settings.page_rate_limit)
        self._knows_proxies = bool(settings.trusted_proxies)
        self._logged = Once()

    def admit(self, request: Request, given: str | None, wanted: Roles) -> Roles:
        """The roles of who asks, for a route that takes one of those wanted.

        Raises HTTPException: 401 without a known key, 403 for a key that may not do this, or for
        another site's page, 429 too often.
        """
        self._refuse_other_sites(request)
        key = self._known(given)
        if key is None or key.roles == _FROM_PAGES:
            # A wrong key counts too, or guessing would cost nothing.
            self._rate.count(f"address {_address(request)}")
        else:
            self._rate.count(f"key {key.number}")
        if key is not None and key.roles & wanted:
            return key.roles
        if not self.key_needed and wanted & _ALL_STAFF:
            return _ALL_STAFF
        if not any(one.roles & wanted for one in self._keys):
            refused_by(request.scope, "role")
            lists = " or ".join(lists_of(role)[0] for role in sorted(wanted))
            raise HTTPException(403, f"no key may do this here: set {lists}")
        if key is None:
            told = "not a known key" if given else "a key is needed for this"
            raise HTTPException(401, f"X-API-Key: {told}", headers={"WWW-Authenticate": "ApiKey"})
        refused_by(request.scope, "role")
        lists = f"role {_either(wanted)} ({', '.join(lists_of(r)[0] for r in _in_order(wanted))})"
        told = f"this takes a key of {lists}; the one sent has the role {_either(key.roles)}"
        raise HTTPException(403, f"X-API-Key: {told}")

    def admit_events(self, request: Request, given: str | None, in_address: str | None) -> Roles:
        """The same for events, which pages may send by a publishable key, also in the address.

        Raises HTTPException, 403 also for a page whose origin is not one of the settings.
        """
        key = self._known(given if given is not None else in_address)
        if key is not None and key.roles == _FROM_PAGES:
            self._tell_of_unknown_proxy(request)
            self._page_rate.count(f"page of {_address(request)}")
            self._refuse_other_origins(request)
            return key.roles
        if in_address is not None and given is None:
            self._rate.count(f"address {_address(request)}")
            raise HTTPException(
                401,
                "key: an address takes keys of serve.publishable_keys alone, and this is none; "
                "others go in X-API-Key",
                headers={"WWW-Authenticate": "ApiKey"},
            )
        return self.admit(request, given, _WRITE)

    def count(self, request: Request) -> None:
        """For what anybody may ask for. Raises HTTPException: 429."""
        self._rate.count(f"address {_address(request)}")

    def _known(self, given: str | None) -> _Known | None:
        # All keys are looked at, so that the time does not tell which one is nearly right.
        sent = (given or "").encode()
        found = [key for key in self._keys if hmac.compare_digest(sent, key.secret)]
        return found[0] if found else None

    def _refuse_other_sites(self, request: Request) -> None:
        """What another site's page makes a browser send, also under a name that it gave us."""
        told = "the server takes no requests from the pages of other sites"
        if request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
            raise HTTPException(403, told)
        origin = request.headers.get("origin")
        if origin and not self.key_needed and _host_of(origin) not in self._names:
            raise HTTPException(403, f"{told}; names of its own are set in serve.hosts")

    def _tell_of_unknown_proxy(self, request: Request) -> None:
        if not self._knows_proxies and "x-forwarded-for" in request.headers:
            self._logged.warn(
                _log,
                "serve.trusted_proxies: pages are sent on by a proxy that it does not name, so "
                "that all visitors count as one address (serve.page_rate_limit)",
            )

    def _refuse_other_origins(self, request: Request) -> None:
        """What no page sends, or one of a site that is not ours."""
        origin = request.headers.get("origin")
        if origin is None:
            told = "a publishable key is for pages: a request without an Origin takes another"
            raise HTTPException(403, told)
        ours = origin in self._origins or ANY_ORIGIN in self._origins
        if not ours and not is_of_this_server(origin, request.headers):
            told = "pages of this origin may send no events: serve.cors_origins has those that may"
            raise HTTPException(403, told)


def may(*roles: Role) -> _Dependency:
    """What lets in whoever has one of these roles; its value are all the roles that they have."""
    wanted = frozenset(roles)

    async def admitted(request: Request, x_api_key: _Key = None) -> Roles:
        return access_of(request).admit(request, x_api_key, wanted)

    return admitted


async def may_send_events(
    request: Request,
    x_api_key: _Key = None,
    key: Annotated[
        str | None,
        Query(max_length=256, description="a publishable key, from pages whose beacons send none"),
    ] = None,
) -> Roles:
    """What lets in who may send events; its value are all the roles that they have."""
    return access_of(request).admit_events(request, x_api_key, key)


async def _anybody() -> Roles:
    return _EVERYBODY


def access_of(request: Request) -> Access:
    """Of the application that answers the request."""
    access: Access = request.app.state.access
    return access


def _address(request: Request) -> str:
    return who(request.client.host) if request.client else ""


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""


def _either(roles: Roles) -> str:
    *others, last = _in_order(roles)
    return f"{', '.join(others)} or {last}" if others else last


async def _counted(request: Request) -> Roles:
    access_of(request).count(request)
    return _EVERYBODY


def _in_order(roles: Roles) -> list[Role]:
    order = ("write", "review", "admin", "forget", "publishable")
    return sorted(roles, key=order.index)


# Every route has one of these among its dependencies.
Open = [Depends(_anybody)]
"""Nothing is asked: what it tells is for all, and it changes nothing."""
Counted = [Depends(_counted)]
"""The same for what costs work: nothing is asked, and an address does not get it too often."""
may_look = may(*STAFF)
"""Lets in any of the staff; its value are all the roles that they have."""
Admitted = [Depends(may_look)]
"""Any of the staff."""
MayWrite = [Depends(may("write"))]
"""Who asks for ads."""
MayReview = [Depends(may("review"))]
"""Who approves and bans creatives."""
MayAdminister = [Depends(may("admin"))]
"""Who moves versions and changes what is sold."""
MayForget = [Depends(may("forget"))]
"""Who erases users."""
MaySendEvents = [Depends(may_send_events)]
"""Who sends events."""
