"""One round at a time over all machines that share a Postgres."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from adloom.loop.database.opening import open_database
from adloom.loop.learning.rounds import turn as turns
from adloom.loop.learning.rounds.turn import RoundUnderWay, TurnLost, turn, who_runs
from tests.postgres_server import PostgresServer


def asked_again_and_again(question: Callable[[], None]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        question()
        time.sleep(0.05)


def test_a_round_on_another_machine_is_waited_for_and_its_end_seen(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    database = open_database(tmp_path, postgres.new_database())
    one, other = tmp_path / "one", tmp_path / "other"
    with turn(one, database):
        under_way = f"process {os.getpid()} on .*, since ..:..:.. UTC"
        with pytest.raises(RoundUnderWay, match=under_way), turn(other, database):
            pass
        assert f"process {os.getpid()} on" in (who_runs(other, database) or "")
    assert who_runs(other, database) is None
    with turn(other, database):
        pass
    database.dispose()


def test_who_is_heard_of_keeps_the_turn_and_who_is_not_loses_it(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_SILENT_SECONDS", 1.0)
    monkeypatch.setattr(turns, "_BEAT_SECONDS", 0.1)
    database = open_database(tmp_path, postgres.new_database())
    one, other = tmp_path / "one", tmp_path / "other"
    with turn(one, database) as still_ours:
        time.sleep(1.5)
        still_ours()
        with pytest.raises(RoundUnderWay), turn(other, database):
            pass
        with database.begin() as connection:  # as if nothing was heard of it for long
            connection.execute(text("UPDATE claim SET holder = 'another', until = 9e9"))
        with pytest.raises(TurnLost, match="the database heard nothing of this process"):
            asked_again_and_again(still_ours)
    assert who_runs(other, database) is not None  # the other's turn is not given back
    database.dispose()
