"""`adloom replay` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adloom.loop.commands.app import app
from adloom.stream.settings import KafkaSettings

TEXT = """when;uid;sku;klick
1704067200000;1;shoe;1
soon;1;shoe;1
1704067200000;2;bag;0
"""
NAMES = ["--map", "ts=when", "--map", "user_id=uid", "--map", "item_id=sku", "--map", "click=klick"]
NAMES += ["--unit", "ms"]


@pytest.fixture
def cli(kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADLOOM_HOME", str(tmp_path))
    monkeypatch.setenv("ADLOOM_KAFKA__BOOTSTRAP_SERVERS", str(kafka.bootstrap_servers))
    monkeypatch.setenv("ADLOOM_KAFKA__TOPIC_PREFIX", kafka.topic_prefix)
    monkeypatch.setenv("ADLOOM_KAFKA__GROUP_ID", kafka.group_id)
    (tmp_path / "clicks.csv").write_text(TEXT)
    return CliRunner()


def test_a_log_with_names_of_its_own_arrives_and_its_bad_row_is_named(cli: CliRunner) -> None:
    done = cli.invoke(app, ["replay", "clicks.csv", *NAMES])
    assert done.exit_code == 0, done.output
    assert "line 3: when: not a moment" in done.stdout
    assert "1 row was refused." in done.stdout
    assert "match the log exactly" in done.stdout


def test_strict_sends_nothing_where_a_row_would_be_refused(cli: CliRunner) -> None:
    done = cli.invoke(app, ["replay", "clicks.csv", *NAMES, "--strict"])
    assert done.exit_code == 2
    assert "1 row is refused and nothing was sent; line 3: when" in " ".join(done.stderr.split())


def test_a_dry_run_tells_what_would_be(cli: CliRunner) -> None:
    done = cli.invoke(app, ["replay", "clicks.csv", *NAMES, "--dry-run", "--json"])
    found = json.loads(done.stdout)
    assert (found["events"], found["refused"]) == (3, 1)
    assert found["refused_rows"][0]["line"] == 3


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nothing.csv"], "No such file"),
        (["clicks.csv"], "no column ts; where it has another name: --map ts=NAME"),
        (["clicks.csv", "--map", "ts"], "write it as FIELD=COLUMN"),
        (["clicks.csv", "--map", "time=when"], "no field is called time"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str], problem: str, cli: CliRunner) -> None:
    found = cli.invoke(app, ["replay", *arguments])
    assert found.exit_code == 2
    assert problem in " ".join(found.stderr.split())
