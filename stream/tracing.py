"""Traces by OpenTelemetry, where the environment asks for them: extra `[otel]`.

They are set by OpenTelemetry's own variables: OTEL_EXPORTER_OTLP_ENDPOINT turns them on. Where
nothing is set nothing of it is imported, and every function here does nothing.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from adloom.stream.headers import Headers

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

_log = logging.getLogger(__name__)

Kind = Literal["internal", "server", "producer", "consumer"]
Attributes = Mapping[str, str] | Mapping[str, str | int] | Mapping[str, str | bool]

TRACE_HEADERS = ("traceparent", "tracestate")
"""Of HTTP requests and of Kafka's records, as W3C names them."""

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
_SPOKEN = "http/protobuf"
_LONGEST_CARRIED = 512  # characters: what a stranger sends goes into every record of the request

_provider: TracerProvider | None = None


def start_tracing(service: str) -> bool:
    """Send spans from now on if the environment asks for it, to the end of the process.

    Returns whether they are sent.

    ``service`` is its name where OTEL_SERVICE_NAME gives none. What cannot be done is logged: no
    server stays down for want of its traces.
    """
    global _provider
    if _provider is not None or not _asked_for():
        return _provider is not None
    spoken = {os.environ[name] for name in _PROTOCOLS if os.environ.get(name)}
    if spoken - {_SPOKEN}:
        _log.warning("no traces are sent: adloom speaks %s, set %s so", _SPOKEN, _PROTOCOLS[0])
        return False
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        _log.warning("no traces are sent: pip install 'adloom[otel]'")
        return False
    name = os.environ.get("OTEL_SERVICE_NAME") or service
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _provider = provider
    return True


def stop_tracing() -> None:
    """Send what is left, before the end of the process."""
    global _provider
    provider, _provider = _provider, None
    if provider is not None:
        provider.shutdown()


def tracing() -> bool:
    """Whether spans are sent."""
    return _provider is not None


@contextmanager
def span(
    name: str,
    kind: Kind = "internal",
    attributes: Attributes | None = None,
    carried: Mapping[str, str] | None = None,
) -> Iterator[Span | None]:
    """A span while the block runs, under the current one; None where no traces are sent.

    Args:
        carried: headers of who called; the span continues their trace, if they have one.
    """
    if _provider is None:
        yield None
        return
    with _tracer().start_as_current_span(
        name, _context(carried), kind=_kind(kind), attributes=attributes
    ) as begun:
        yield begun


def record_span(
    name: str,
    began: float,
    ended: float,
    kind: Kind = "internal",
    attributes: Attributes | None = None,
    carried: Mapping[str, str] | None = None,
) -> None:
    """A span that is over, under the current one or what ``carried`` tells.

    ``began`` and ``ended`` are moments of the monotonic clock, in seconds.
    """
    if _provider is None:
        return
    past = time.time() - time.monotonic()
    begun = _tracer().start_span(
        name,
        _context(carried),
        kind=_kind(kind),
        attributes=attributes,
        start_time=int((began + past) * 1e9),
    )
    begun.end(int((ended + past) * 1e9))


def carried_on() -> list[tuple[str, bytes]]:
    """Headers of a record that carry the current span to who reads it."""
    if _provider is None:
        return []
    told: dict[str, str] = {}
    _propagator().inject(told)
    return [(name, v.encode()) for name, v in told.items() if len(v) <= _LONGEST_CARRIED]


def carried_by(headers: Headers) -> dict[str, str] | None:
    """What a record's headers carry; None where they carry no trace."""
    found = {
        name: value.decode("ascii", errors="replace")
        for name, value in headers
        if name in TRACE_HEADERS and value is not None and len(value) <= _LONGEST_CARRIED
    }
    return found if TRACE_HEADERS[0] in found else None


def _asked_for() -> bool:
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if os.environ.get("OTEL_TRACES_EXPORTER", "otlp").lower() != "otlp":
        return False
    return any(os.environ.get(name) for name in _ENDPOINTS)


def _tracer() -> Any:
    assert _provider is not None
    return _provider.get_tracer("adloom")


def _kind(kind: Kind) -> Any:
    from opentelemetry.trace import SpanKind

    return SpanKind[kind.upper()]


def _context(carried: Mapping[str, str] | None) -> Context | None:
    """None is the current one; a caller's trace never goes on from another's."""
    if carried is None:
        return None
    from opentelemetry.context import Context

    return _propagator().extract(carried, Context())


def _propagator() -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator()
