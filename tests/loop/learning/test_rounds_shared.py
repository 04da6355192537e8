"""A round that one machine began is found by the others, and goes on there, once."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, text

from adloom.loop import home
from adloom.loop.database.opening import open_database
from adloom.loop.database.tables import round_files
from adloom.loop.learning.rounds import shared as shared_rounds
from adloom.loop.learning.rounds.kept import (
    RoundHead,
    RoundOutcome,
    abandon,
    kept_rounds,
    outcomes,
    round_folder,
    unfinished_round,
    write,
)
from adloom.loop.learning.rounds.shared import SharedRounds
from adloom.loop.learning.rounds.turn import TurnLost, turn
from adloom.stream.settings import KafkaSettings
from tests.adloom_process import AdloomProcess
from tests.loop_parts import click_through, keep_shop_ads, tiny_settings, training_ground
from tests.postgres_server import PostgresServer

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path, postgres: PostgresServer) -> Iterator[Engine]:
    engine = open_database(tmp_path, postgres.new_database())
    yield engine
    engine.dispose()


def begun(folder: Path, number: int = 1, run_id: str = "run") -> Path:
    kept = round_folder(folder, number)
    kept.mkdir(parents=True)
    write(kept / "plan.json", RoundHead(number=number, run_id=run_id, parent=1, until=NOW))
    return kept


def finish(kept: Path, number: int = 1) -> None:
    outcome = RoundOutcome(
        number=number,
        version=number + 1,
        parent=1,
        train_clicks=9,
        heldout_clicks=3,
        heldout_before=2.0,
        heldout_after=1.5,
        objections=(),
        losses=(),
        until=NOW,
        seconds=1.0,
    )
    write(kept / "outcome.json", outcome)


def tree(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_all_of_an_unfinished_round_is_there_for_who_gets_the_turn(
    tmp_path: Path, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_rounds, "_PART_BYTES", 1_000)  # so that files come in several
    one, other = tmp_path / "one", tmp_path / "other"
    with turn(one, database) as held, SharedRounds(one, database).held(held) as rounds:
        kept = begun(one)
        (kept / "state.safetensors").write_bytes(bytes(range(256)) * 20)
        (kept / "best").mkdir()
        (kept / "best" / "adapter.safetensors").write_bytes(b"")
        (kept / "state.partial").write_bytes(b"half of it")
        rounds.keep()
        (kept / "state.safetensors").write_bytes(bytes(range(255)) * 30)
    SharedRounds(other, database).fetch()
    assert list(tree(other)) == ["round-0001/plan.json"]
    assert [one.state for one in kept_rounds(other)] == ["cut off"]
    with turn(other, database) as held, SharedRounds(other, database).held(held):
        assert unfinished_round(other) == other / "round-0001"
        (kept / "state.partial").unlink()
        assert tree(other) == tree(one)
        finish(other / "round-0001")
    SharedRounds(one, database).fetch()
    assert [outcome.version for outcome in outcomes(one)] == [2]
    with database.connect() as connection:  # what is over takes no room
        names = connection.execute(select(round_files.c.name).distinct()).scalars()
        assert sorted(names) == ["outcome.json", "plan.json"]


def test_who_lost_the_turn_changes_nothing_any_more(tmp_path: Path, database: Engine) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    with turn(one, database) as held:
        rounds = SharedRounds(one, database)
        kept = begun(one)
        rounds.keep(held)
        with database.begin() as connection:  # as if nothing was heard of it for long
            connection.execute(text("UPDATE claim SET until = 0"))
        with turn(other, database) as theirs, SharedRounds(other, database).held(theirs):
            finish(other / "round-0001")
        (kept / "state.safetensors").write_bytes(b"of a process that was thought dead")
        with pytest.raises(TurnLost):
            rounds.keep(held)
    SharedRounds(one, database).fetch()
    assert [found.state for found in kept_rounds(one)] == ["passed"]
    with database.connect() as connection:
        large = round_files.c.name == "state.safetensors"
        count = select(func.count()).select_from(round_files).where(large)
        assert connection.execute(count).scalar() == 0


def test_rounds_of_before_a_database_was_shared_come_in_and_none_is_lost(
    tmp_path: Path, database: Engine
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    finish(begun(one, 1, "first"), 1)
    abandon(begun(one, 2, "second"), "its parent is deleted")
    finish(begun(other, 1, "elsewhere"), 1)
    with turn(one, database) as held, SharedRounds(one, database).held(held):
        pass
    with turn(other, database) as held, SharedRounds(other, database).held(held):
        found = [(each.round, each.run_id, each.state) for each in kept_rounds(other)]
    assert found == [(1, "first", "passed"), (2, "second", "abandoned")]
    assert b"elsewhere" in (other / "round-0001.before" / "plan.json").read_bytes()


def test_one_machine_alone_copies_nothing(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    folder = tmp_path / "rounds"
    with turn(folder, database) as held, SharedRounds(folder, database).held(held) as rounds:
        begun(folder)
        rounds.look()
    with database.connect() as connection:
        assert connection.execute(select(func.count()).select_from(round_files)).scalar() == 0
    database.dispose()


@pytest.mark.slow
def test_a_trainer_that_is_killed_is_taken_over_by_another_machine_where_it_stood(
    tmp_path: Path, kafka: KafkaSettings, postgres: PostgresServer
) -> None:
    place = postgres.new_database()
    assert place.password is not None
    told = {"url": place.url, "password": place.password.get_secret_value()}
    mlflow = {"tracking_uri": f"sqlite:///{tmp_path / 'mlflow.db'}"}
    settings = tiny_settings(tmp_path, mlflow=mlflow)
    with home.open_features(settings) as features:
        ground = training_ground(settings, features)
        ads = keep_shop_ads(ground.past_ads.creatives, 6)
        click_through(kafka, features, ads, ["ann", "bob"])
        ground.past_ads.creatives.close()
    shutil.copytree(settings.home, tmp_path / "other")

    def command(folder: Path) -> list[str]:
        file = folder.with_suffix(".toml")
        file.write_text(
            f'home = "{folder}"\n[generator]\npath = "{settings.generator.path}"\n'
            f'[mlflow]\ntracking_uri = "{mlflow["tracking_uri"]}"\n'
            f'[database]\nurl = "{told["url"]}"\npassword = "{told["password"]}"\n'
            "[fine_tune]\nmax_steps = 16\nbatch_size = 4\nrank = 2\ncheckpoint_every = 1\n"
            "evaluate_every = 8\n[fine_tune.trend]\nmax_steps = 16\n"
            "[rounds]\nmin_clicks = 4\n[gate]\nads = 2\n"
        )
        return ["--config", str(file)]

    one, other = command(settings.home), command(tmp_path / "other")
    for machine in (one, other):
        status, _, problems = AdloomProcess(*machine, "migrate", folder=tmp_path).ended()
        assert status == 0, problems

    killed = AdloomProcess(*one, "train-round", "--force", "--json", folder=tmp_path)
    database = open_database(tmp_path / "looks", place)
    copied = select(round_files.c.stamp).where(round_files.c.name == "losses.json")
    while True:
        with database.connect() as connection:
            if connection.execute(copied).first() is not None:
                break
        assert killed.runs, killed.ended()[2]
        time.sleep(0.01)
    killed.kill()
    refused = AdloomProcess(*other, "train-round", "--force", "--json", folder=tmp_path).ended()
    assert refused[0] == 2
    assert "a round is under way: process" in refused[2]
    with database.begin() as connection:  # as a minute later
        connection.execute(text("UPDATE claim SET until = 0"))
    database.dispose()

    status, told_json, problems = AdloomProcess(
        *other, "train-round", "--force", "--json", folder=tmp_path
    ).ended()
    assert status == 0, problems
    resumed = json.loads(told_json)
    assert (resumed["number"], resumed["version"], len(resumed["losses"])) == (1, 2, 16)
    assert [v.number for v in home.open_registry(settings).versions()] == [1, 2]
    ours, theirs = (
        (folder / "rounds" / "round-0001" / "plan.json").read_bytes()
        for folder in (settings.home, tmp_path / "other")
    )
    assert ours == theirs

    # The machine that was killed sees that the round is over.
    status, listed, problems = AdloomProcess(
        *one, "rounds", "list", "--json", folder=tmp_path
    ).ended()
    assert status == 0, problems
    assert [round_["version"] for round_ in json.loads(listed)] == [2]
