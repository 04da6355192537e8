"""`adloom replay` from the command line."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adloom.loop import home
from adloom.loop.commands.app import app

TEXT = """when;uid;sku;klick
1704067200000;1;shoe;1
soon;1;shoe;1
1704067200000;2;bag;0
"""
NAMES = ["--map", "ts=when", "--map", "user_id=uid", "--map", "item_id=sku", "--map", "click=klick"]
NAMES += ["--unit", "ms"]


@pytest.fixture(autouse=True)
def _click_log(tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_text(TEXT)


def test_a_log_with_names_of_its_own_arrives_and_its_bad_row_is_named(cli: CliRunner) -> None:
    done = cli.invoke(app, ["replay", "clicks.csv", *NAMES])
    assert done.exit_code == 0, done.output
    assert "line 3: when: not a moment" in done.stdout
    assert "1 row was refused." in done.stdout
    assert "match the log exactly" in done.stdout


def test_bad_rows_are_named_before_the_first_event_is_sent(
    cli: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object) -> None:
        print("opening the features")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(home, "open_features", cannot)
    done = cli.invoke(app, ["replay", "clicks.csv", *NAMES])
    told = done.stdout.splitlines()
    assert told.index("opening the features") > told.index("1 row was refused.")


def test_a_log_may_come_from_standard_input(cli: CliRunner) -> None:
    done = cli.invoke(app, ["replay", "-", *NAMES, "--json"], input=TEXT)
    told = json.loads(done.stdout)
    assert (told["produced"], told["refused"], told["exact"]) == (3, 1, True)
    assert told["users"] == {"checked": 2, "exact": True}


def test_a_pipe_is_read_once_and_replayed_whole(cli: CliRunner, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as writer:
        writer.submit(pipe.write_text, TEXT)
        done = cli.invoke(app, ["replay", str(pipe), *NAMES, "--dry-run", "--json"])
    assert json.loads(done.stdout)["events"] == 3


PAYLOADS = [{"uid": 7, "sku": 12, "at": 1_704_067_200_000 + n, "type": "tap"} for n in range(3)]
EVENTS = """
[events]
kind = { path = "type", click = ["tap"] }
[events.fields]
user_id = "uid"
item_id = "sku"
ts = { path = "at", unit = "ms" }
[replay]
unit = "s"
[replay.columns]
user_id = "kunde"
item_id = "artikel"
click = "klick"
ts = "zeit"
"""


def test_payloads_read_by_the_events_map_where_click_logs_have_other_names(
    cli: CliRunner, tmp_path: Path
) -> None:
    (tmp_path / "adloom.toml").write_text(EVENTS)
    (tmp_path / "taps.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PAYLOADS))
    dry = ["--dry-run", "--json"]
    done = cli.invoke(app, ["replay", "taps.jsonl", *dry])
    assert json.loads(done.stdout) | {"dropped": {}} == {
        "events": 3,
        "refused": 0,
        "refused_rows": [],
        "first": "2024-01-01T00:00:00+00:00",
        "last": "2024-01-01T00:00:00.002000+00:00",
        "dropped": {},
    }
    row = {"kunde": "ann", "artikel": "shoe", "klick": 1, "zeit": 1_704_067_200}
    (tmp_path / "log.jsonl").write_text(json.dumps(row) + "\n")
    assert json.loads(cli.invoke(app, ["replay", "log.jsonl", *dry]).stdout)["events"] == 2
    (tmp_path / "log.csv").write_text("kunde,artikel,klick,zeit\nann,shoe,1,1704067200\n")
    assert json.loads(cli.invoke(app, ["replay", "log.csv", *dry]).stdout)["events"] == 2


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


def test_a_dry_run_tells_when_it_was_so_that_a_wrong_unit_is_seen(cli: CliRunner) -> None:
    told = cli.invoke(app, ["replay", "clicks.csv", *NAMES, "--dry-run"]).stdout
    assert "3 events from 2024-01-01 00:00:00 to 2024-01-01 00:00:00 UTC; nothing was sent." in told
    as_us = [*NAMES[:-1], "us", "--dry-run", "--json"]
    told = json.loads(cli.invoke(app, ["replay", "clicks.csv", *as_us]).stdout)
    assert told["first"].startswith("1970-01-20T17:21:07")
    assert told["last"] == told["first"]
