"""`adloom events check` shows what the settings make of payloads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adloom.loop.commands.app import app
from adloom.stream.producer import EventProducer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import topic_of
from tests.sample_events import exposure

SETTINGS = """
[events]
kind = { path = "type", click = ["tap"], impression = ["view"] }
drop = [{ field = "agent", matches = "(?i)bot" }]
fields = { user_id = "uid", item_id = "sku", ts = { path = "at", unit = "s" }, event_id = "hash" }
"""
GOOD = {"type": "tap", "uid": 7, "sku": 12, "at": 1_704_067_200, "ad_id": "[bold]ad"}
PAYLOADS = [
    json.dumps(GOOD),
    json.dumps(GOOD | {"agent": "Bot"}),
    json.dumps(GOOD | {"uid": None}),
    json.dumps(GOOD | {"type": "buy"}),
    "{",
    "x" * 70_000,
]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "adloom.toml").write_text(SETTINGS)
    (tmp_path / "own.jsonl").write_text("\n".join(PAYLOADS) + "\n\n" + PAYLOADS[0])
    return CliRunner()


def test_each_payload_is_shown_with_what_it_becomes(cli: CliRunner) -> None:
    done = cli.invoke(app, ["events", "check", "own.jsonl"])
    assert done.exit_code == 1
    for told in ("[bold]ad", "by agent", "uid: Field required", "by kind", "Invalid JSON"):
        assert told in done.stdout
    told = "2 events (2 click); 3 refused (1 missing_field, 1 not_json, 1 too_large); 2 left out"
    assert told in " ".join(done.stdout.split())


def test_programs_get_json(cli: CliRunner) -> None:
    done = cli.invoke(app, ["events", "check", "own.jsonl", "--shown", "2", "--json"])
    found = json.loads(done.stdout)
    assert found["events"] == {"click": 2}
    assert [sorted(one) for one in found["first"]] == [
        ["event", "kind", "place"],
        ["dropped", "place"],
    ]
    assert found["first"][0]["event"]["ts"] == "2024-01-01T00:00:00Z"


def test_without_a_file_it_reads_what_kafka_holds(
    cli: CliRunner, kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADLOOM_KAFKA__BOOTSTRAP_SERVERS", str(kafka.bootstrap_servers))
    monkeypatch.setenv("ADLOOM_KAFKA__TOPIC_PREFIX", kafka.topic_prefix)
    with EventProducer(kafka) as producer:
        producer.send(exposure("x"))
        for payload in PAYLOADS[:2]:
            producer.send_payload(topic_of(kafka, "click"), b"7", payload.encode())
    done = cli.invoke(app, ["events", "check", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["events"], found["dropped"]) == ({"exposure": 1, "click": 1}, {"agent": 1})
    few = json.loads(cli.invoke(app, ["events", "check", "--json", "--most", "2"]).stdout)
    assert len(few["first"]) == 2


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [(["nothing.jsonl"], "No such file"), ([], "give a FILE of payloads")],
)
def test_the_command_says_what_is_wrong(arguments: list[str], problem: str, cli: CliRunner) -> None:
    done = cli.invoke(app, ["events", "check", *arguments])
    assert done.exit_code == 2
    assert problem in " ".join(done.stderr.split())
