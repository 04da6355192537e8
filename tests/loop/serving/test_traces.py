"""A request is one trace, from its caller to the moment when its events are in the features."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient

from adloom.loop.serving.app import create_app
from adloom.stream.tracing import carried_on, span, start_tracing, stop_tracing
from tests.loop_parts import tiny_settings
from tests.otlp_receiver import Sent, otlp_receiver

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
CLICKS_TRACE = "5bf92f3577b34da6a3ce929d0e0e4736"
AD = {"user_id": "ann", "product_id": "running-shoes", "seed": 7}
STEPS = {"ad wait", "ad history", "ad draw", "ad encode", "ad store"}


@pytest.fixture(scope="module")
def spans(tmp_path_factory: pytest.TempPathFactory) -> list[Sent]:
    """Of an ad and of a click, by a server with a consumer of its own."""
    settings = tiny_settings(tmp_path_factory.mktemp("traces"))
    click = {
        "event_id": "c",
        "ts": datetime.now(UTC).isoformat(),
        "user_id": "ann",
        "item_id": "running-shoes",
    }
    with otlp_receiver() as (address, sent), pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        try:
            with TestClient(create_app(settings)) as client:
                assert client.post("/v1/ads", json=AD, headers=PARENT).status_code == 200
                page = {"clicks": [click]}
                carrying = {"traceparent": f"00-{CLICKS_TRACE}-{CALLER}-01"}
                assert client.post("/v1/events", json=page, headers=carrying).status_code == 202
                assert client.post("/v1/ads", json={}).status_code == 422
                assert client.get("/healthz").status_code == 200
                time.sleep(1.0)  # the consumer reads; what is left it reads at the end
        finally:
            stop_tracing()
    return sent


def test_an_ad_is_one_trace_from_its_caller_to_its_exposure_in_the_features(
    spans: list[Sent],
) -> None:
    trace = {one.name: one for one in spans if one.trace == TRACE}
    request = trace["POST /v1/ads"]
    assert request.parent == CALLER
    assert request.attributes["http.response.status_code"] == "200"
    assert trace.keys() >= STEPS
    assert {trace[name].parent for name in STEPS} == {request.span}
    assert sum(trace[name].seconds for name in STEPS) == pytest.approx(request.seconds, rel=0.5)
    assert trace["ad draw"].attributes["adloom.version"] == "1"
    sent, taken = trace["send event"], trace["process adloom.exposures"]
    assert sent.parent == request.span
    assert taken.parent == sent.span
    assert {one.service for one in spans} == {"adloom-serve"}


def test_a_click_that_is_posted_carries_its_trace_through_kafka(spans: list[Sent]) -> None:
    trace = {one.name: one for one in spans if one.trace == CLICKS_TRACE}
    assert trace["POST /v1/events"].parent == CALLER
    assert trace["send events"].parent == trace["POST /v1/events"].span
    assert trace["process adloom.clicks"].parent == trace["send events"].span


def test_a_request_without_a_trace_begins_one_and_probes_have_none(spans: list[Sent]) -> None:
    refused = [s for s in spans if s.attributes.get("http.response.status_code") == "422"]
    assert [one.parent for one in refused] == [""]
    assert refused[0].trace not in {TRACE, CLICKS_TRACE}
    assert not [one for one in spans if "healthz" in one.name]


def test_a_strangers_trace_that_is_none_begins_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with otlp_receiver() as (address, sent):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        assert start_tracing("test")
        try:
            long = {"traceparent": PARENT["traceparent"], "tracestate": "a=" + "x" * 10_000}
            for number, carried in enumerate(({"traceparent": "\x00 none"}, {}, long)):
                with span(f"{number}", "server", carried=carried):
                    assert all(len(value) <= 512 for _, value in carried_on())
        finally:
            stop_tracing()
        assert [one.parent for one in sent] == ["", "", CALLER]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nothing_is_sent_that_nobody_asked_for(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]
) -> None:
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    assert not start_tracing("test")
    with span("nothing") as nothing:
        assert nothing is None
        assert carried_on() == []


def test_a_protocol_that_is_not_spoken_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    assert not start_tracing("test")
    assert "http/protobuf" in caplog.text


def test_without_the_extra_nothing_is_needed_and_who_asks_is_told() -> None:
    code = (
        "import sys; sys.modules['opentelemetry.exporter'] = None;"
        "from adloom.stream import consumer, producer, tracing;"
        "assert not tracing.start_tracing('test');"
        "import os; os.environ['OTEL_EXPORTER_OTLP_ENDPOINT'] = 'http://127.0.0.1:1';"
        "assert not tracing.start_tracing('test')"  # asked for, and not installed: said in the log
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "adloom[otel]" in done.stderr
