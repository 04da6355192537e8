"""The ranker's weights are learnt from what it saw of ads and whether they were clicked."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from adloom.feature_store.event_log import EventLog, LoggedEvent
from adloom.loop import home
from adloom.loop.commands.app import app
from adloom.loop.database.opening import open_database
from adloom.loop.pool.ranker import FEATURES, Weights
from adloom.loop.pool.training import Choices, TooFewChoices, fitted, logged_choices
from adloom.loop.pool.weights import latest
from adloom.loop.settings import load_settings

START = datetime(2026, 5, 1, tzinfo=UTC)
ATTRIBUTION = timedelta(hours=1)


def choices(n: int, likes: float, seed: int = 0) -> Choices:
    """Clicks follow the first feature alone."""
    rng = np.random.default_rng(seed)
    features = rng.uniform(-1, 1, (n, len(FEATURES)))
    chance = 1 / (1 + np.exp(1.5 - likes * features[:, 0]))
    return Choices(features, rng.random(n) < chance)


def test_what_clicks_follow_gets_the_weight() -> None:
    fit = fitted(choices(4000, likes=3.0), Weights(picture=0.0))
    assert fit.weights.picture == pytest.approx(3.0, abs=0.4)
    assert abs(fit.weights.title) < 0.4
    assert fit.refusal is None
    assert fit.log_loss < fit.log_loss_of_rate
    assert fit.held_out == 800


def test_what_hardly_differs_between_choices_gets_no_weight() -> None:
    made = choices(2000, likes=3.0)
    freshness = 1 - 1e-6 * np.random.default_rng(2).random(2000)  # all were drawn just now
    young = Choices(np.column_stack([made.features[:, :-1], freshness]), made.clicked)
    assert fitted(young, Weights()).weights.freshness == 0.0


def test_weights_that_foretell_less_well_than_those_before_are_told() -> None:
    few = choices(200, likes=3.0)
    rng = np.random.default_rng(1)
    misled = Choices(
        few.features, np.where(np.arange(200) < 160, rng.random(200) < 0.3, few.clicked)
    )
    told = fitted(misled, Weights(picture=3.0, own_clicks=0)).refusal
    assert told is not None


def test_weights_that_foretell_no_better_than_one_rate_do_not_serve() -> None:
    noise = choices(400, likes=0.0)
    worse = Weights(picture=9.0, own_clicks=0)  # than these they are better
    assert "no better than one rate" in (fitted(noise, worse).refusal or "")


def test_weights_that_are_better_than_one_rate_and_worse_than_before_do_not_serve() -> None:
    older, newest = choices(800, likes=1.0), choices(200, likes=6.0, seed=1)
    changed = Choices(
        np.concatenate([older.features, newest.features]),
        np.concatenate([older.clicked, newest.clicked]),
    )
    before = Weights(picture=6.0, title=0, own_clicks=0, freshness=0)
    assert "less well than those before" in (fitted(changed, before).refusal or "")


@pytest.mark.parametrize(("n", "clicked"), [(199, 50), (400, 19)])
def test_too_few_choices_are_refused_in_words(n: int, clicked: int) -> None:
    few = Choices(np.zeros((n, len(FEATURES))), np.arange(n) < clicked)
    with pytest.raises(
        TooFewChoices, match=f"{n} choices with {clicked} clicks can be learnt from"
    ):
        fitted(few, Weights())


def event(n: int, kind: str, at: datetime, context: str = "{}") -> LoggedEvent:
    return LoggedEvent(
        kind,  # type: ignore[arg-type]
        f"{kind}-{n}",
        at,
        f"user-{n}",
        "mug",
        f"{kind}s",
        0,
        n,
        "topic",
        ad_id="ad",
        context=context,
    )


def log_choices(log: EventLog, many: Choices, start: datetime) -> None:
    events: list[LoggedEvent] = []
    for n, (row, clicked) in enumerate(zip(many.features.tolist(), many.clicked, strict=True)):
        at = start + timedelta(seconds=n)
        told = {"choice": {"among": 3, "propensity": 0.5, **dict(zip(FEATURES, row, strict=True))}}
        events.append(event(n, "exposure", at, json.dumps(told)))
        if clicked:
            events.append(event(n, "click", at + timedelta(seconds=1)))
    log.append(events)


def test_the_log_gives_back_what_was_seen_and_nothing_whose_window_is_open(tmp_path: Path) -> None:
    log, made = EventLog(tmp_path / "log"), choices(50, likes=1.0)
    log_choices(log, made, START)
    drawn = [event(100, "exposure", START, '{"source": "drawn"}')]
    strange = [event(101, "exposure", START, '{"choice": {"picture": "no"}}')]
    log.append([*drawn, *strange])
    until = START + ATTRIBUTION + timedelta(seconds=40)
    read = logged_choices(log, since=START, until=until, attribution=ATTRIBUTION)
    np.testing.assert_allclose(read.features, made.features[:40])
    np.testing.assert_array_equal(read.clicked, made.clicked[:40])
    assert read.waiting == 10
    assert read.closes_at == START + ATTRIBUTION + timedelta(seconds=49)
    with pytest.raises(TooFewChoices, match=r"10 more .* until 2026-05-01 01:00 UTC \(rounds\."):
        fitted(read, Weights())


def test_the_command_lets_better_weights_serve_and_tracks_them(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home")
    told = CliRunner().invoke(app, ["train-ranker"], env={"ADLOOM_HOME": str(settings.home)})
    assert told.exit_code == 2, told.stderr
    assert "0 choices with 0 clicks can be learnt from" in told.stderr
    log = home.open_log(settings)
    log_choices(log, choices(800, likes=4.0), datetime.now(UTC) - timedelta(days=3))
    log.close()
    told = CliRunner().invoke(
        app, ["train-ranker", "--json"], env={"ADLOOM_HOME": str(settings.home)}
    )
    assert told.exit_code == 0, told.output
    answer = json.loads(told.stdout)
    assert answer["serves"] is True
    assert answer["refusal"] is None
    assert answer["log_loss"] < answer["log_loss_before"]
    engine = open_database(settings.home, settings.database)
    serving = latest(engine)
    engine.dispose()
    assert serving is not None
    assert serving.weights.told() == pytest.approx(answer["weights"])
    found = home.open_registry(settings).logged.find(answer["run"])
    assert found is not None
    assert found.metrics["log_loss"] == pytest.approx(answer["log_loss"])
    assert "weights.json" in found.files
