"""A shopper who is forgotten is nowhere any more, and all others are as they were."""

from __future__ import annotations

import json
import os
import shutil
import signal
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adloom.feature_store.checking import check_all
from adloom.feature_store.store import UserStats
from adloom.loop import home
from adloom.loop.commands.app import app
from adloom.loop.exposures.kept import KeptExposures
from adloom.loop.forgetting.forget import STAGES, forget, what_is_kept
from adloom.loop.forgetting.kept import opened
from adloom.loop.forgetting.report import Report
from adloom.loop.learning.rounds.kept import kept_rounds
from adloom.loop.learning.rounds.turn import turn
from adloom.loop.settings import Settings
from adloom.stream.forgotten import NOBODY
from tests.forking import processes
from tests.loop.forgetting.lived_in import (
    CANARY,
    OTHERS,
    as_sent,
    clicks,
    drawn_for,
    learn,
    shop,
    take,
)
from tests.loop.forgetting.searching import files_with


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, str]:
    """A home with a round, and the ad that adloom drew for the canary alone."""
    settings = shop(tmp_path_factory.mktemp("shop"))
    with home.open_features(settings) as features:
        take(features, clicks(settings, [CANARY, *OTHERS], timedelta(hours=2)))
        learn(settings, features)
        drawn = drawn_for(settings, features, CANARY, 7)
        also_seen = drawn_for(settings, features, OTHERS[0], 8)
        mailed = drawn_for(settings, features, CANARY, 9)
        take(features, [drawn, also_seen, also_seen._replace(user_id=CANARY, event_id="again")])
    with closing(home.open_catalogue(settings)) as catalogue:
        KeptExposures(catalogue.engine, 7).keep([as_sent(mailed), as_sent(also_seen)], NOBODY)
    assert drawn.ad_id is not None
    return settings, drawn.ad_id


def copied(lived: tuple[Settings, str], folder: Path) -> Settings:
    """A home like it, for one test."""
    settings, _ = lived
    target = shutil.copytree(settings.home, folder / "home")
    return settings.model_copy(update={"home": target})


def everything_is_gone(settings: Settings) -> None:
    assert files_with(CANARY, settings.home) == []
    with home.open_features(settings) as features:
        assert features.user_stats([CANARY])[CANARY] == UserStats()
        assert features.user_stats([OTHERS[1]])[OTHERS[1]].clicks == 6
        assert check_all(features).differing == 0
        features.ping()


def forget_canary(settings: Settings) -> Report:
    with opened(settings) as kept:
        return forget(kept, [CANARY])


def test_of_who_is_forgotten_no_byte_stays(lived_in: tuple[Settings, str], tmp_path: Path) -> None:
    settings, drawn = copied(lived_in, tmp_path), lived_in[1]
    assert files_with(CANARY, settings.home)
    with opened(settings) as kept:
        before = what_is_kept(kept, [CANARY])
    assert before.dry_run
    report = forget_canary(settings)
    assert report.complete
    assert report.events == before.events == {"exposure": 8, "click": 6}
    assert (report.creatives, report.pictures) == (2, 2)
    assert report.exposures == before.exposures == 1
    assert report.rounds == before.rounds == [1]
    assert report.versions == before.versions == [2]
    everything_is_gone(settings)
    with closing(home.open_creatives(settings)) as creatives:
        assert creatives.known([drawn]) == set()
        assert len(creatives) == 7  # those of the shop's own, and one that another saw too
    [round_] = kept_rounds(settings.home / "rounds")
    assert round_.version == 2  # it stays, and what was found of it
    again = forget_canary(settings)
    assert (again.complete, again.events, again.versions) == (True, {}, [])


@pytest.mark.parametrize("stage", STAGES[1:])
def test_killed_at_any_step_it_is_complete_once_it_is_run_again(
    stage: str, lived_in: tuple[Settings, str], tmp_path: Path
) -> None:
    settings = copied(lived_in, tmp_path)
    process = processes.Process(target=_forget_until, args=(settings.model_dump(), stage))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    report = forget_canary(settings)
    assert report.complete
    # What is gone already is told all the same.
    assert report.events == {"exposure": 8, "click": 6}
    assert (report.creatives, report.rounds, report.versions) == (2, [1], [2])
    assert report.exposures == 1
    everything_is_gone(settings)


def _forget_until(given: dict[str, object], stage: str) -> None:
    settings = Settings.model_validate(given)

    def told(now: str) -> None:
        if now == stage:
            os.kill(os.getpid(), signal.SIGKILL)

    with opened(settings) as kept:
        forget(kept, [CANARY], told=told)


def test_a_round_that_was_cut_off_is_given_up_with_all_that_it_learned(
    lived_in: tuple[Settings, str], tmp_path: Path
) -> None:
    settings = copied(lived_in, tmp_path)
    kept = settings.home / "rounds" / "round-0001"
    (kept / "outcome.json").unlink()
    learned = kept / "checkpoint" / "adapter.safetensors"
    learned.parent.mkdir(exist_ok=True)
    learned.touch()
    report = forget_canary(settings)
    assert (report.complete, report.rounds_given_up, report.versions) == (True, [1], [])
    [round_] = kept_rounds(settings.home / "rounds")
    assert round_.state == "abandoned"
    assert not learned.exists()
    everything_is_gone(settings)


def test_a_round_that_is_under_way_is_waited_for_by_running_it_again(
    lived_in: tuple[Settings, str], tmp_path: Path
) -> None:
    settings = copied(lived_in, tmp_path)
    with turn(settings.home / "rounds"):
        report = forget_canary(settings)
    assert not report.complete
    assert "a round is under way" in report.waits[0]
    with home.who_is_forgotten(settings, "a test") as reader:
        assert reader.refuses(CANARY, datetime.max.replace(tzinfo=UTC) - timedelta(days=1))
    again = forget_canary(settings)
    assert (again.complete, again.events) == (True, {"exposure": 8, "click": 6})
    everything_is_gone(settings)


def test_the_command_tells_what_there_is_and_what_went(
    lived_in: tuple[Settings, str], tmp_path: Path
) -> None:
    settings = copied(lived_in, tmp_path)
    ids = tmp_path / "ids.txt"
    ids.write_text(f"{CANARY}\nnobody\n")
    env = {"ADLOOM_HOME": str(settings.home)}

    def call(*words: str) -> Result:
        return CliRunner().invoke(app, ["forget", *words], env=env)

    told = json.loads(call("--file", str(ids), "--dry-run", "--json").stdout)
    assert (told["users"], told["dry_run"], told["events"]["click"]) == (2, True, 6)
    assert files_with(CANARY, settings.home)
    result = call("--file", str(ids), "--opt-out", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["users"], told["complete"], told["versions"]) == (2, True, [2])
    everything_is_gone(settings)
    with home.who_is_forgotten(settings, "a test") as reader:
        assert reader.refuses(CANARY, datetime.now(UTC))
    assert call(CANARY, "--opt-in").exit_code == 0
    with home.who_is_forgotten(settings, "a test") as reader:
        assert not reader.refuses(CANARY, datetime.now(UTC))
    printed = call(CANARY).stdout
    assert "They are forgotten." in printed
    assert CANARY not in printed


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "whom?"),
        (["ann", "x" * 129], "id 2: this is no id of a user"),
        (["ann", "--file", "long.txt"], "long.txt, line 3: this is no id of a user"),
        (["--file", "missing.txt"], "missing.txt: no such file"),
        (["ann", "--opt-in", "--opt-out"], "--opt-in erases nothing"),
    ],
)
def test_what_the_command_cannot_do_is_told_in_one_line(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "long.txt").write_text(f"bob\n\n{'x' * 129}\n")
    result = CliRunner().invoke(app, ["forget", *words])
    assert (result.exit_code, result.stdout) == (2, "")
    [line] = result.stderr.splitlines()
    assert told in line
    assert [file.name for file in tmp_path.iterdir()] == ["long.txt"]
