"""Rounds as their folders tell them, and the turn of who runs one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adloom.loop.learning.rounds.kept import (
    RoundHead,
    RoundOutcome,
    abandon,
    kept_rounds,
    next_number,
    outcomes,
    round_folder,
    unfinished_round,
    write,
)
from adloom.loop.learning.rounds.turn import RoundUnderWay, turn, who_runs

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def plan(folder: Path, number: int) -> Path:
    kept = round_folder(folder, number)
    kept.mkdir(parents=True)
    write(kept / "plan.json", RoundHead(number=number, run_id="r", parent=1, until=NOW))
    return kept


def finish(kept: Path, number: int, *objections: str) -> None:
    outcome = RoundOutcome(
        number=number,
        version=number + 1,
        parent=1,
        train_clicks=9,
        heldout_clicks=3,
        heldout_before=2.0,
        heldout_after=1.5,
        objections=objections,
        losses=(),
        until=NOW,
        seconds=1.0,
    )
    write(kept / "outcome.json", outcome)


def test_no_folder_is_no_rounds(tmp_path: Path) -> None:
    rounds = tmp_path / "rounds"
    assert kept_rounds(rounds) == []
    assert unfinished_round(rounds) is None
    assert next_number(rounds) == 1
    assert who_runs(rounds) is None
    assert not rounds.exists()


def test_each_state_is_listed_and_later_rounds_go_on_with_their_numbers(tmp_path: Path) -> None:
    finish(plan(tmp_path, 1), 1)
    finish(plan(tmp_path, 2), 2, "its scenes are alike")
    abandon(plan(tmp_path, 3), "its parent is deleted")
    (plan(tmp_path, 4) / "outcome.json").write_text("{")
    cut_off = plan(tmp_path, 5)
    (tmp_path / "round-0006").mkdir()  # ended before it was planned
    (tmp_path / "notes").mkdir()
    found = [(one.round, one.state, one.version) for one in kept_rounds(tmp_path)]
    assert found == [
        (1, "passed", 2),
        (2, "failed", 3),
        (3, "abandoned", None),
        (4, "unreadable", None),
        (5, "cut off", None),
    ]
    assert kept_rounds(tmp_path)[2].reason == "its parent is deleted"
    running = kept_rounds(tmp_path, under_way=True)
    assert [one.state for one in running] == [one[1] for one in found[:-1]] + ["under way"]
    assert [outcome.number for outcome in outcomes(tmp_path)] == [1, 2]
    assert unfinished_round(tmp_path) == cut_off
    assert next_number(tmp_path) == 6


@pytest.mark.parametrize("spoilt", ["", "{", "[]", '{"number": "x"}', "\x00" * 9])
def test_a_plan_that_cannot_be_read_is_listed_as_such(tmp_path: Path, spoilt: str) -> None:
    kept = plan(tmp_path, 1)
    (kept / "plan.json").write_text(spoilt)
    (found,) = kept_rounds(tmp_path)
    assert (found.state, found.parent) == ("cut off", None)
    assert found.reason is not None
    assert "cannot be read" in found.reason


def test_a_turn_is_one_at_a_time_and_a_killed_holder_lets_it_go(tmp_path: Path) -> None:
    hold = (
        "import pathlib, sys, time\n"
        "from adloom.loop.learning.rounds.turn import turn\n"
        "with turn(pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(600)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(RoundUnderWay, match=f"process {holder.pid} on .* since"),
            turn(tmp_path),
        ):
            pass
        assert f"process {holder.pid}" in (who_runs(tmp_path) or "")
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    assert who_runs(tmp_path) is None
    with turn(tmp_path):
        assert f"process {os.getpid()}" in (who_runs(tmp_path) or "")
    assert who_runs(tmp_path) is None
