"""`adloom migrate` on a home with the event log of an earlier release."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from adloom.feature_store.logged import table_of
from adloom.loop.commands.app import app
from tests.sample_events import logged


def test_the_log_is_refused_in_a_line_until_it_is_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADLOOM_HOME", str(tmp_path / "home"))
    old = tmp_path / "home" / "features" / "log"
    (tmp_path / "home").mkdir(mode=0o700)
    old.mkdir(parents=True)
    events = table_of([logged(n, n) for n in range(5)])
    pq.write_table(events, old / "0-00000000000000000001-aa.parquet")
    refused = CliRunner().invoke(app, ["backfill"])
    assert refused.exit_code == 2
    [line] = refused.stderr.splitlines()
    assert "event log of an earlier release: run adloom migrate" in line
    told = json.loads(CliRunner().invoke(app, ["migrate", "--json"]).stdout)
    assert told["events"] == 5
    done = CliRunner().invoke(app, ["backfill", "--json"])
    assert done.exit_code == 0, done.stderr
    assert not list(old.iterdir())
