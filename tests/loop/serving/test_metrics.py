"""What Prometheus sees of the ad server."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from adloom.loop.catalogue.creatives.store import Creative
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.serving import metrics
from adloom.loop.serving.ad_metrics import MOST_SERIES, count_ad
from adloom.loop.serving.app import create_app
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.http.exposition import exposition
from adloom.loop.serving.requests import AdRequest
from adloom.loop.serving.round_metrics import RoundsCollector
from adloom.loop.serving.steps import StepTaken
from tests.loop_parts import server_of, tiny_settings
from tests.promtool import needs_promtool, promtool

AD = {"user_id": "ann", "product_id": "running-shoes", "seed": 7}
STEPS = ("wait", "history", "draw", "encode", "store")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    limits = {"max_waiting": 1, "max_batch": 1, "timeout_seconds": 30.0}
    settings = tiny_settings(tmp_path_factory.mktemp("metrics"), serve=limits)
    with TestClient(create_app(settings)) as client:
        yield client


def told(client: TestClient) -> dict[str, Metric]:
    text = client.get("/metrics").text
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(client: TestClient, name: str, **labels: str) -> float:
    """Of a sample with these labels, the sum over all others; 0 where there is none."""
    samples = [s for family in told(client).values() for s in family.samples if s.name == name]
    return sum(s.value for s in samples if labels.items() <= s.labels.items())


def samples_of(metric: Counter | Gauge) -> list[Sample]:
    return [sample for family in metric.collect() for sample in family.samples]


def click(name: str) -> dict[str, str]:
    return {
        "event_id": name,
        "ts": datetime.now(UTC).isoformat(),
        "user_id": "ann",
        "item_id": "running-shoes",
    }


def test_an_ad_is_counted_and_the_seconds_of_its_steps(client: TestClient) -> None:
    labels = {
        "source": "drawn",
        "variant": "champion",
        "version": "1",
        "degraded": "false",
        "personalised": "false",
    }
    counts = [("adloom_ads_total", labels), ("adloom_ad_seconds_count", {})]
    counts += [("adloom_ad_step_seconds_count", {"step": step}) for step in STEPS]
    before = [value(client, name, **found) for name, found in counts]
    spent = value(client, "adloom_ad_step_seconds_sum")
    whole = value(client, "adloom_ad_seconds_sum")
    assert client.post("/v1/ads", json=AD | {"user_id": "nobody"}).status_code == 200
    after = [value(client, name, **found) for name, found in counts]
    assert after == [number + 1 for number in before]
    assert value(client, "adloom_drawing_batch_ads_count") > 0
    steps = value(client, "adloom_ad_step_seconds_sum") - spent
    assert steps == pytest.approx(value(client, "adloom_ad_seconds_sum") - whole, rel=0.2)


def test_requests_are_counted_by_template_method_and_status(client: TestClient) -> None:
    def seen(route: str, method: str, status: str) -> float:
        labels = {"route": route, "method": method, "status": status}
        return value(client, "adloom_http_requests_total", **labels)

    asked = [
        ("GET", f"/v1/pictures/{'0' * 64}.png", ("/v1/pictures/{digest}.png", "GET", "404")),
        ("GET", f"/v1/pictures/{'1' * 64}.png", ("/v1/pictures/{digest}.png", "GET", "404")),
        ("GET", "/studio/static/none.js", ("/studio/static", "GET", "404")),
        ("GET", "/wp-admin/1", ("other", "GET", "404")),
        ("GET", "/wp-admin/2", ("other", "GET", "404")),
        ("GET", "/docs", ("/docs", "GET", "200")),
        ("BREW", "/pot", ("other", "other", "404")),
        ("DELETE", "/v1/ads", ("/v1/ads", "DELETE", "405")),
    ]
    wanted = {labels: seen(*labels) for _, _, labels in asked}
    for method, path, labels in asked:
        client.request(method, path)
        wanted[labels] += 1
    assert {labels: seen(*labels) for labels in wanted} == wanted


def test_no_label_holds_what_a_client_chose(client: TestClient) -> None:
    client.post("/v1/ads", json=AD | {"product_id": "unicorn-7", "user_id": "shopper-7"})
    client.get("/v1/products/unicorn-7")
    client.post("/v1/events", json={"clicks": [{"unicorn-7": 1}]})
    client.request("UNICORN-7", "/unicorn-7?unicorn-7", headers={"X-Request-Id": "unicorn-7"})
    assert "unicorn-7" not in client.get("/metrics").text.lower()


def test_refusals_are_counted_by_reason(client: TestClient) -> None:
    def refused(reason: str) -> float:
        return value(client, "adloom_http_refused_total", reason=reason)

    server = server_of(client)
    reasons = ("invalid", "not_found", "other_site", "queue_full")
    before = {reason: refused(reason) for reason in reasons}
    client.post("/v1/ads", json=AD | {"user_id": ""})
    client.post("/v1/ads", json=AD | {"product_id": "unicorn"})
    client.post("/v1/ads", json=AD, headers={"Origin": "https://evil.example"})
    product = load_catalog()["running-shoes"]
    with server.champion.lock:  # nothing is drawn meanwhile: one is taken out, one waits
        first = server.queue.submit(AdRequest("ann", product, 1))
        while server.queue.waiting:
            pass
        second = server.queue.submit(AdRequest("ann", product, 2))
        assert value(client, "adloom_queue_waiting_ads") == 1
        assert client.post("/v1/ads", json=AD).status_code == 429
    assert value(client, "adloom_queue_limit_ads") == 1
    assert value(client, "adloom_drawing_batch_limit_ads") == 1
    for future in (first, second):
        future.result(60)
    assert value(client, "adloom_queue_waiting_ads") == 0
    assert {reason: refused(reason) for reason in reasons} == {
        reason: count + 1 for reason, count in before.items()
    }


def test_probes_that_are_told_no_are_no_refusals(client: TestClient) -> None:
    server = server_of(client)
    before = value(client, "adloom_http_refused_total")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(server.queue), "alive", property(lambda _: False))
        assert client.get("/readyz").status_code == 503
    assert value(client, "adloom_http_refused_total") == before


def test_events_are_counted_as_accepted_or_refused(client: TestClient) -> None:
    def counted() -> list[float]:
        return [
            value(client, "adloom_http_events_accepted_total", kind="click"),
            value(client, "adloom_http_events_accepted_total", kind="impression"),
            value(client, "adloom_http_events_refused_total", reason="invalid"),
        ]

    before = counted()
    page = {"clicks": [click("m-1"), click("m-2")], "impressions": [click("m-3")]}
    assert client.post("/v1/events", json=page).status_code == 202
    assert client.post("/v1/events", json={"clicks": [{"event_id": "m-4"}]}).status_code == 422
    assert counted() == [before[0] + 2, before[1] + 1, before[2] + 1]


def test_parts_and_readiness_are_told_though_nobody_asks_whether_it_is_ready(
    client: TestClient,
) -> None:
    server = server_of(client)
    assert value(client, "adloom_ready") == 1
    assert value(client, "adloom_part_up", part="registry") == 1
    assert value(client, "adloom_version_served", alias="champion", version="1") == 1
    server.parts.tell("products", "taken away by a test")
    try:
        assert value(client, "adloom_part_up", part="products") == 0
    finally:
        server.parts.tell("products", None)
    assert value(client, "adloom_part_up", part="products") == 1


def test_of_several_replicas_each_has_series_of_its_own() -> None:
    text = exposition({"replica": "one"}).decode()
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    assert {sample.labels.get("replica") for sample in samples} == {"one"}
    assert {s.labels["step"] for s in samples if "step_seconds" in s.name} == set(STEPS)
    assert "replica" not in exposition({}).decode()


def test_the_process_and_the_version_of_adloom_are_told(client: TestClient) -> None:
    families = told(client)
    assert families["process_resident_memory_bytes"].samples[0].value > 50e6
    assert families["adloom_build_info"].samples[0].labels["version"]


def test_names_and_units_follow_prometheus(client: TestClient) -> None:
    for family in told(client).values():
        if not family.name.startswith("adloom_") or family.name.endswith("_created"):
            continue
        assert family.documentation
        if family.type == "counter":
            assert {s.name for s in family.samples} <= {f"{family.name}_total"}
        if "second" in family.name and not family.name.endswith("timestamp_seconds"):
            assert family.name.endswith("_seconds")
            assert family.type == "histogram"


@needs_promtool
def test_prometheus_finds_nothing_wrong_with_the_metrics(client: TestClient) -> None:
    assert promtool("check", "metrics", told=client.get("/metrics").text) == ""


def finished(variant: str, version: int) -> Ad:
    product = load_catalog()["running-shoes"]
    codes = np.zeros(4, dtype=np.int16)
    creative = Creative(
        f"ad-{version}",
        product.product_id,
        "A title",
        "0" * 64,
        codes,
        codes,
        variant,
        str(version),
        7,
        datetime.now(UTC),
    )
    request = AdRequest("ann", product, 7)
    steps = (StepTaken("wait", 1.0, 1.5), StepTaken("draw", 1.5, 3.0))
    return Ad(request, creative, Image.new("RGB", (8, 8)), (), 0.1, 1, 3, steps=steps)


def test_versions_that_drew_long_ago_have_no_series_any_more() -> None:
    def versions() -> set[str]:
        return {sample.labels["version"] for sample in samples_of(metrics.ADS)}

    for version in range(10_000, 10_000 + 2 * MOST_SERIES):
        count_ad(replace(finished("champion", version), degraded=version % 2 == 0))
        count_ad(finished("steady", 9_999))
    series = [s for s in samples_of(metrics.ADS) if s.name == "adloom_ads_total"]
    assert len(series) <= MOST_SERIES
    assert str(10_000 + 2 * MOST_SERIES - 1) in versions()
    assert "10000" not in versions()
    steady = [s.value for s in series if s.labels["variant"] == "steady"]
    assert steady == [2 * MOST_SERIES]  # one that goes on drawing keeps its count


def test_an_alias_shows_the_version_that_it_serves_and_no_other() -> None:
    def shown() -> set[tuple[str, str]]:
        samples = samples_of(metrics.VERSION_SERVED)
        return {(s.labels["alias"], s.labels["version"]) for s in samples}

    before = dict(metrics._served)
    metrics.tell_versions({"champion": 3, 2: 2})
    assert shown() == {("champion", "3"), ("2", "2")}
    metrics.tell_versions({"champion": 4})
    assert shown() == {("champion", "4")}
    metrics.tell_versions({alias: int(version) for alias, version in before.items()})


def test_rounds_are_counted_from_what_they_left(tmp_path: Path) -> None:
    rounds, registry = RoundsCollector(), CollectorRegistry()
    registry.register(rounds)

    def seen(result: str) -> tuple[float | None, float | None]:
        return (
            registry.get_sample_value("adloom_rounds_total", {"result": result}),
            registry.get_sample_value("adloom_round_last_timestamp_seconds", {"result": result}),
        )

    def leave(number: int, objections: list[str], at: float) -> None:
        folder = tmp_path / "rounds" / f"round-{number:04d}"
        folder.mkdir(parents=True)
        (folder / "plan.json").write_text("{}")
        outcome = folder / "outcome.json"
        outcome.write_text(json.dumps({"number": number, "objections": objections}))
        os.utime(outcome, (at, at))

    rounds.watch(tmp_path / "rounds")  # it is not there yet
    assert seen("passed") == (0, None)
    leave(1, [], 1_000.0)
    leave(2, ["too slow"], 2_000.0)
    leave(3, [], 3_000.0)
    (tmp_path / "rounds" / "round-0004").mkdir()  # one that runs
    given_up = tmp_path / "rounds" / "round-0006"
    given_up.mkdir()
    (given_up / "abandoned.json").write_text("{}")
    damaged = tmp_path / "rounds" / "round-0005"
    damaged.mkdir()
    (damaged / "outcome.json").write_text("[" * 100_000)
    assert seen("passed") == (2, 3_000.0)
    assert seen("refused") == (1, 2_000.0)
    assert seen("abandoned")[0] == 1


def test_metrics_of_the_server_are_registered_once() -> None:
    names = [family.name for family in REGISTRY.collect()]
    assert len(names) == len(set(names))
