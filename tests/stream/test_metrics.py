"""What Prometheus and Grafana get to see of the stream."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest

import adloom.stream
from adloom.feature_store.store import FeatureStore
from adloom.stream import metrics
from adloom.stream.consumer import EventConsumer
from adloom.stream.freshness import FreshnessHistogram
from adloom.stream.producer import EventProducer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import topic_of
from tests.sample_events import click, exposure, impression
from tests.stream.test_consumer import consume, produce

_SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}
_DASHBOARD = json.loads(Path(adloom.stream.__file__).with_name("dashboard.json").read_text())
_EXPRESSIONS = [target["expr"] for panel in _DASHBOARD["panels"] for target in panel["targets"]]


def exported() -> set[str]:
    return {
        family.name + suffix
        for registry in (REGISTRY, metrics.CONSUMING)
        for family in registry.collect()
        for suffix in _SUFFIXES.get(family.type, [])
    }


@pytest.mark.parametrize("expression", _EXPRESSIONS)
def test_the_dashboard_names_only_metrics_that_exist(expression: str) -> None:
    named = set(re.findall(r"adloom_\w+", expression))
    assert named
    assert named <= exported()


def test_the_dashboard_groups_only_by_labels_that_exist() -> None:
    labels = {
        "kind": metrics.CONSUMED,
        "reason": metrics.DEAD_LETTERS,
        "error": metrics.FAILURES,
        "rule": metrics.DROPPED,
        "topic": metrics.GAP_EVENTS,
    }
    for expression in _EXPRESSIONS:
        for label in re.findall(r"by \((\w+)\)", expression):
            assert label == "le" or label in labels[label]._labelnames
            assert label == "le" or labels[label]._name in expression


def test_every_metric_of_the_stream_is_on_the_dashboard() -> None:
    families = {family.name for family in metrics.CONSUMING.collect()}
    assert len(families) == 12
    assert {name for name in families if not any(name in e for e in _EXPRESSIONS)} == set()


def run_anew(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_a_process_tells_only_of_what_it_does() -> None:
    told = run_anew(
        "import adloom.stream.consumer, prometheus_client; "
        "print(prometheus_client.generate_latest().decode())"
    )
    assert "process_resident_memory_bytes" in told
    assert "adloom_stream" not in told  # no consumer was made
    assert "feast" not in told


def test_metrics_are_kept_in_memory_though_feast_is_there() -> None:
    told = run_anew(
        "import os, adloom.feature_store.store, adloom.stream.consumer; "
        "from prometheus_client.values import ValueClass; "
        "print(ValueClass.__name__, [name for name in os.environ if 'MULTIPROC' in name])"
    )
    assert told.split() == ["MutexValue", "[]"]


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"adloom_stream_{name}", labels) or 0.0


def test_a_batch_is_counted_measured_and_timed(kafka: KafkaSettings, store: FeatureStore) -> None:
    def seen() -> dict[str, float]:
        kinds: dict[str, Any] = {
            kind: value("events_consumed_total", kind=kind)
            for kind in ("click", "impression", "exposure")
        }
        return kinds | {
            "dead": value("dead_letters_total", reason="not_json"),
            "rows": value("features_written_total"),
            "batched": value("batch_events_sum"),
            "fresh": value("freshness_seconds_count"),
        }

    before = seen()
    produce(kafka, click("a"), click("b"), click("b"), impression("c"), exposure("d"))
    with EventProducer(kafka) as producer:
        producer.send_payload(topic_of(kafka, "click"), None, b"{")
    with EventConsumer(kafka, store) as consumer:
        consume(consumer, 6)
    grown = {name: number - before[name] for name, number in seen().items()}
    rows = grown.pop("rows")
    assert grown == {
        "click": 3,
        "impression": 1,
        "exposure": 1,
        "dead": 1,
        "batched": 5,
        "fresh": 5,
    }
    assert rows >= 3  # a user, an item and a history at least
    assert value("lag_events") == 0


def test_lag_is_what_one_member_has_not_taken_yet(
    kafka: KafkaSettings, store: FeatureStore
) -> None:
    produce(kafka, *(click(f"c{n}") for n in range(10)))
    with EventConsumer(kafka.model_copy(update={"max_batch": 4}), store) as consumer:
        while not consumer.poll():
            pass
        consumer._measure_lag()  # under load it does so twice a second
        assert consumer.lag == value("lag_events") == 6


def test_freshness_is_the_age_of_events_in_cumulated_buckets() -> None:
    registry = CollectorRegistry()
    histogram = FreshnessHistogram("age_seconds", "how old")
    registry.register(histogram)
    now = datetime.now(UTC)
    ages = [-60, 0.02, 0.7, 20, 100_000]  # the first is from a clock that is ahead
    histogram.observe(now - timedelta(seconds=age) for age in ages)
    text = generate_latest(registry).decode()
    counts = {
        bound: registry.get_sample_value("age_seconds_bucket", {"le": bound})
        for bound in ("1.0", "30.0", "300.0", "+Inf")
    }
    assert counts == {"1.0": 3, "30.0": 4, "300.0": 4, "+Inf": 5}
    assert registry.get_sample_value("age_seconds_sum") == pytest.approx(100_020.7, abs=5)
    assert "age_seconds_count 5" in text
