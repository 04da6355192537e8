"""`adloom backfill`: what it says, asks and does."""

from __future__ import annotations

import json
import os
import pty
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adloom.feature_store.store import FeatureStore
from adloom.loop.commands.app import app
from adloom.loop.settings import Settings
from adloom.stream.settings import KafkaSettings
from tests.adloom_process import AdloomProcess
from tests.loop.replay.past_traffic import consume_all, warehouse
from tests.rough_traffic import RoughTraffic
from tests.sample_events import logged


def test_the_command_rebuilds(cli: CliRunner, kafka: KafkaSettings, tmp_path: Path) -> None:
    traffic = RoughTraffic(seed=6, users=5)
    traffic.send(kafka, 200)
    with FeatureStore.open(Settings().features, tmp_path / "features") as store:
        consume_all(kafka, store, traffic)
        for arguments in (["backfill"], ["backfill", "--from-offsets", "--yes"]):
            store.clear()
            done = cli.invoke(app, arguments)
            assert done.exit_code == 0, done.output
            assert traffic.found(store) == traffic.expected()


def test_the_command_says_what_it_replaces_and_adds(cli: CliRunner, tmp_path: Path) -> None:
    warehouse().to_parquet(tmp_path / "events.parquet")
    with FeatureStore.open(Settings().features, tmp_path / "features") as store:
        store.log.append([logged(0, user_id="bob")])
        store.apply([logged(0, user_id="bob")])
    done = cli.invoke(app, ["backfill", "events.parquet", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {
        "source": "file",
        "records": 4,
        "read": 3,
        "added": 3,
        "replaced": {"users": 1, "items": 1},
    }
    assert "online features of 1 users and 1 items" in " ".join(done.stderr.split())
    assert "1 records, and 3 of the 3 in events.parquet" in " ".join(done.stderr.split())


def test_on_a_terminal_the_command_asks(tmp_path: Path) -> None:
    """A script has no terminal: it is not asked."""
    terminal, other_end = pty.openpty()
    environment = os.environ | {"ADLOOM_HOME": str(tmp_path)}
    for answer, status in ((b"n\n", 2), (b"y\n", 0)):
        os.write(terminal, answer)
        command = AdloomProcess(
            "backfill", folder=tmp_path, environment=environment, stdin=os.ttyname(other_end)
        )
        ended, _, told = command.ended()
        assert "Go on?" in told
        assert ended == status, told


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nowhere.parquet"], "no parquet file is there"),
        (["a.parquet", "--from-offsets"], "not both"),
        (["bad.csv"], "1 row is no event, and nothing was changed: line 2: kind: none of"),
        (["bad.csv", "--zone", "Mars/Base"], "Mars/Base is no time zone"),
    ],
)
def test_the_command_says_what_is_wrong(
    arguments: list[str], problem: str, cli: CliRunner, tmp_path: Path
) -> None:
    (tmp_path / "bad.csv").write_text("kind,event_id,ts,user_id,item_id\nbuy,e,x,ann,shoe\n")
    found = cli.invoke(app, ["backfill", *arguments])
    assert found.exit_code == 2
    assert problem in " ".join(found.stderr.split())
