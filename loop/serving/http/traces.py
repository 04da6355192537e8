"""A request as a trace: it goes on from the caller's, and has the steps of its ad."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adloom.loop.serving.finished import Ad
from adloom.loop.serving.http.counting import route_of
from adloom.loop.serving.http.prefix import path_below
from adloom.loop.serving.in_time.chosen import Chosen
from adloom.stream.tracing import TRACE_HEADERS, record_span, span

_NOT_TRACED = frozenset({"/healthz", "/readyz", "/metrics"})  # asked every few seconds


class Traced:
    """ASGI middleware: a span for each request, under that of its `traceparent` if it has one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or path_below(scope) in _NOT_TRACED:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        carried = {name: headers[name] for name in TRACE_HEADERS if name in headers}
        with span(scope["method"], "server", carried=carried) as request:

            async def noted(message: Message) -> None:
                if request is not None and message["type"] == "http.response.start":
                    route, status = route_of(scope), message["status"]
                    request.update_name(f"{scope['method']} {route}")
                    request.set_attribute("http.request.method", scope["method"])
                    request.set_attribute("http.route", route)
                    request.set_attribute("http.response.status_code", status)
                    if status >= 500:
                        from opentelemetry.trace import StatusCode

                        request.set_status(StatusCode.ERROR)
                await send(message)

            await self._app(scope, receive, noted)


def trace_ad(ad: Ad | Chosen) -> None:
    """The steps of a finished ad, as spans of the request for it."""
    told: dict[str, str | bool] = {
        "adloom.ad_id": ad.creative.ad_id,
        "adloom.variant": ad.variant,
        "adloom.version": ad.creative.version,
        "adloom.degraded": ad.degraded,
    }
    for step in ad.steps:
        record_span(f"ad {step.step}", step.began, step.ended, attributes=told)
