"""Counts requests by the template of their route, never by what a client may choose."""

from __future__ import annotations

from starlette.routing import Mount
from starlette.types import Scope

from adloom.loop.serving import metrics
from adloom.loop.serving.http.prefix import path_below
from adloom.loop.serving.metrics import RefusalReason

NO_ROUTE = "other"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PROBES = frozenset({"/healthz", "/readyz"})  # they tell of the server, and are not refused
_REASON = "adloom.refused"
_REASONS: dict[int, RefusalReason] = {
    400: "invalid",
    401: "key",
    403: "other_site",
    404: "not_found",
    408: "too_slow",
    409: "not_possible",
    413: "too_large",
    415: "invalid",
    422: "invalid",
    429: "rate",
    499: "nobody_waits",
    500: "failed",
    503: "part_away",
    504: "not_in_time",
}


def refused_by(scope: Scope, reason: RefusalReason) -> None:
    """Say why a request is refused where its status does not tell."""
    scope[_REASON] = reason


def count_request(scope: Scope, status: int, seconds: float) -> None:
    """Count a request that was answered, or given up."""
    route = route_of(scope)
    method = scope["method"] if scope["method"] in _METHODS else "other"
    metrics.HTTP_REQUESTS.labels(route, method, str(status)).inc()
    metrics.HTTP_SECONDS.labels(route).observe(seconds)
    reason = scope.get(_REASON) or _REASONS.get(status)
    if reason is not None and route not in _PROBES:
        metrics.REFUSED.labels(reason).inc()


def route_of(scope: Scope) -> str:
    """The template of the route that took the request: `/v1/pictures/{digest}.png`."""
    template = getattr(scope.get("route"), "path", None)
    if template is not None:
        return str(template)
    path = path_below(scope)
    for route in getattr(getattr(scope.get("app"), "router", None), "routes", ()):
        if isinstance(route, Mount) and route.path and path.startswith(f"{route.path}/"):
            return route.path
        if getattr(route, "path", None) == path:  # one of FastAPI's own pages
            return path
    return NO_ROUTE
