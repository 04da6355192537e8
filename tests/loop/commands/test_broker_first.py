"""A broker that is away is told before anything heavy is loaded, and before anything is written."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adloom.loop.commands import broker
from adloom.loop.commands.app import app
from adloom.stream.cluster.reaching import reach
from adloom.stream.cluster.refusals import BrokerUnavailable
from adloom.stream.settings import KafkaSettings

NEED_A_BROKER = [
    ["consume"],
    ["deadletter", "list"],
    ["deadletter", "replay"],
    ["events", "check"],
    ["replay", "clicks.csv"],
    ["replay", "obd"],
    ["backfill", "--from-offsets"],
    ["bench", "stream"],
]


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@pytest.mark.parametrize("words", NEED_A_BROKER, ids=" ".join)
def test_a_broker_that_is_away_is_told_in_one_line(
    words: list[str], nobody: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "_PATIENCE_SECONDS", 0.0)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clicks.csv").write_text("ts,user_id,item_id,click\n2026-01-02T00:00:00Z,u,i,1\n")
    before = set(tmp_path.rglob("*"))
    result = CliRunner().invoke(app, words, env={"ADLOOM_KAFKA__BOOTSTRAP_SERVERS": nobody})
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"Error: no Kafka broker answers at {nobody}: {nobody}: Connection refused\n"
    )
    assert set(tmp_path.rglob("*")) == before


def test_consume_loads_nothing_heavy_to_say_so(nobody: str, tmp_path: Path) -> None:
    look = (
        "import sys; from typer.testing import CliRunner; from adloom.loop.commands.app import app;"
        f"env = {{'ADLOOM_KAFKA__BOOTSTRAP_SERVERS': '{nobody}', 'ADLOOM_HOME': 'home'}};"
        "result = CliRunner().invoke(app, ['consume'], env=env);"
        "print(result.exit_code, [n for n in ('feast', 'torch', 'pandas') if n in sys.modules])"
    )
    asked = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert asked.stdout == "2 []\n"


def test_servers_that_drop_packets_are_waited_for_together(monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(3, timeout=10)

    def dropped(host: str, port: int, kafka: KafkaSettings) -> None:
        together.wait()  # it breaks where one server is greeted after the other
        raise BrokerUnavailable(f"{host}:{port}: timed out")

    monkeypatch.setattr("adloom.stream.cluster.reaching.greet", dropped)
    with pytest.raises(BrokerUnavailable, match=r"c:1: timed out"):
        reach(KafkaSettings(bootstrap_servers="a:1,b:1,c:1"), 0.0)
