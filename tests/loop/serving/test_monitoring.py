"""Dashboards and alert rules: they name what exists, and alert when they should."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY
from typer.testing import CliRunner

import adloom.loop.catalogue.intake.metrics
import adloom.loop.serving.ad_metrics
import adloom.loop.serving.round_metrics  # noqa: F401 - registers what the files name
from adloom.loop.commands.app import app
from adloom.loop.serving import metrics
from adloom.loop.serving.monitoring import FILES, read
from adloom.stream.metrics import CONSUMING
from tests.promtool import needs_promtool, promtool

SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
RULES: list[dict[str, Any]] = yaml.safe_load(read("adloom-alerts.yaml"))["groups"][0]["rules"]
PANELS: list[dict[str, Any]] = json.loads(read("adloom-serve.json"))["panels"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
EXPRESSIONS += [rule["expr"] for rule in RULES]


def exported() -> set[str]:
    return {
        family.name + suffix
        for registry in (REGISTRY, CONSUMING)
        for family in registry.collect()
        for suffix in SUFFIXES.get(family.type, ["", "_info"])
    }


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_panels_and_alerts_name_only_metrics_that_exist(expression: str) -> None:
    named = set(re.findall(r"\b(?:adloom|process)_\w+", expression))
    assert named
    assert named <= exported()


def test_panels_and_alerts_use_only_labels_that_exist() -> None:
    known = {
        name for metric in vars(metrics).values() for name in getattr(metric, "_labelnames", ())
    }
    known |= {"le", "instance", "job", "result", "outcome", "source", "topic", "rule"}
    for expression in EXPRESSIONS:
        used = set(re.findall(r"(\w+)\s*=~?\s*\"", expression))
        for names in re.findall(r"(?:by|on) \(([^)]*)\)", expression):
            used |= {name.strip() for name in names.split(",") if name.strip()}
        assert used <= known | {"version"}, expression


def test_every_metric_of_the_ad_server_is_on_its_dashboard() -> None:
    ours = {
        family.name
        for metric in vars(metrics).values()
        if hasattr(metric, "_labelnames")
        for family in metric.collect()
    }
    assert len(ours) > 15
    shown = " ".join(target["expr"] for panel in PANELS for target in panel["targets"])
    assert {name for name in ours if name not in shown} == set()


def test_panels_do_not_lie_on_one_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not cells & taken
        taken |= cells


def test_ten_alerts_wake_somebody_and_each_says_what_to_do() -> None:
    assert sum(rule["labels"]["severity"] == "page" for rule in RULES) == 10
    for rule in RULES:
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["action"]


def test_commands_in_alerts_exist() -> None:
    text = " ".join(rule["annotations"]["action"] for rule in RULES)
    for command in set(re.findall(r"`adloom ([a-z ]+)", text)):
        shown = CliRunner().invoke(app, [*command.split(), "--help"])
        assert shown.exit_code == 0, command


@needs_promtool
def test_prometheus_takes_the_rules(tmp_path: Path) -> None:
    rules = tmp_path / "alerts.yaml"
    rules.write_text(read("adloom-alerts.yaml"))
    assert f"{len(RULES)} rules found" in promtool("check", "rules", str(rules))


WELL: dict[str, str] = {
    'adloom_ready{instance="a"}': "1x30",
    'adloom_part_up{instance="a", part="registry"}': "1x30",
    'adloom_alias_followed{instance="a", alias="champion"}': "1x30",
    'adloom_alias_last_look_timestamp_seconds{instance="a"}': "0+60x30",
    "adloom_stream_ready": "1x30",
    'adloom_http_requests_total{route="/v1/ads", status="200"}': "0+600x30",
    'adloom_http_requests_total{route="/v1/ads", status="500"}': "0+0x30",
    'adloom_ads_total{source="drawn", degraded="false"}': "0+600x30",
    'adloom_ad_seconds_bucket{le="5.0"}': "0+600x30",
    'adloom_ad_seconds_bucket{le="60.0"}': "0+600x30",
    'adloom_ad_seconds_bucket{le="+Inf"}': "0+600x30",
}
BAD: list[tuple[str | None, dict[str, str | None]]] = [
    (None, {}),
    ("AdloomNoServer", {'adloom_ready{instance="a"}': None}),
    ("AdloomNotReady", {'adloom_ready{instance="a"}': "0x30"}),
    ("AdloomPartAway", {'adloom_part_up{instance="a", part="registry"}': "0x30"}),
    (
        "AdloomVersionNotFollowed",
        {'adloom_alias_followed{instance="a", alias="champion"}': "0x30"},
    ),
    (
        "AdloomVersionNotFollowed",
        {'adloom_alias_last_look_timestamp_seconds{instance="a"}': "0x30"},
    ),
    (
        "AdloomAdsFail",
        {'adloom_http_requests_total{route="/v1/ads", status="500"}': "0+60x30"},
    ),
    ("AdloomAdsSlow", {'adloom_ad_seconds_bucket{le="5.0"}': "0+60x30"}),
    ("AdloomAdsTurnedAway", {'adloom_http_refused_total{reason="queue_full"}': "0+60x30"}),
    ("AdloomEventsLost", {"adloom_exposures_lost_total": "0+60x30"}),
    ("AdloomEventsLost", {'adloom_http_events_refused_total{reason="broker_away"}': "0+60x30"}),
    ("AdloomEventsNotRead", {"adloom_stream_ready": "0x30"}),
    ("AdloomEventsNotRead", {"adloom_stream_ready": None}),
    (
        "AdloomFeaturesLate",
        {
            'adloom_stream_freshness_seconds_bucket{le="60.0"}': "0+60x30",
            'adloom_stream_freshness_seconds_bucket{le="300.0"}': "0+600x30",
            'adloom_stream_freshness_seconds_bucket{le="+Inf"}': "0+600x30",
            "adloom_stream_lag_events": "5000x30",
        },
    ),
    ("AdloomEventsMissing", {'adloom_stream_gap_events_total{topic="t"}': "0+60x30"}),
    (
        "AdloomDeadLetters",
        {
            'adloom_stream_dead_letters_total{reason="not_json"}': "0+60x30",
            'adloom_stream_events_consumed_total{kind="click"}': "0+60x30",
        },
    ),
    (
        "AdloomAdsDegraded",
        {'adloom_ads_total{source="drawn", degraded="true"}': "0+600x30"},
    ),
]


@needs_promtool
def test_each_alert_fires_for_what_it_names_and_alone(tmp_path: Path) -> None:
    (tmp_path / "alerts.yaml").write_text(read("adloom-alerts.yaml"))
    names = [rule["alert"] for rule in RULES]
    assert {name for name, _ in BAD} == {None, *names}

    def case(number: int, bad: str | None, changed: dict[str, str | None]) -> dict[str, Any]:
        series = {name: values for name, values in (WELL | changed).items() if values is not None}
        counts = [f"count(ALERTS{{alertstate='firing', alertname='{name}'}})" for name in names]
        return {
            "name": f"{number} {bad}",
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [
                {
                    "expr": expression,
                    "eval_time": "28m",
                    "exp_samples": [{"labels": "{}", "value": 1}] if name == bad else [],
                }
                for name, expression in zip(names, counts, strict=True)
            ],
        }

    told = {
        "rule_files": ["alerts.yaml"],
        "evaluation_interval": "1m",
        "tests": [case(number, *each) for number, each in enumerate(BAD)],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(told))
    promtool("test", "rules", "test.yaml", folder=tmp_path)


def test_the_files_are_written_and_changed_ones_are_kept(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "monitoring"

    def export(*more: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["monitoring", "export", "--out", str(out), *more])
        return done.exit_code, done.output

    code, printed = export()
    assert code == 0
    assert {path.name for path in out.iterdir()} == set(FILES)
    assert set(printed.split()) == {str(out / name) for name in FILES}
    assert export()[0] == 0  # the same again changes nothing
    mine = out / "adloom-alerts.yaml"
    mine.write_text("groups: []")
    code, printed = export()
    assert code == 2
    assert "adloom-alerts.yaml" in printed
    assert "--force" in printed
    assert mine.read_text() == "groups: []"
    assert export("--force")[0] == 0
    assert mine.read_text() == read("adloom-alerts.yaml")


def test_a_file_in_place_of_the_folder_is_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    done = CliRunner().invoke(app, ["monitoring", "export", "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert len(done.output.strip().splitlines()) == 1
