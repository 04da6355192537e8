"""An experiment told in full: by day, by part of the shop, adjusted, ahead, as page and table."""

from __future__ import annotations

import csv
import json
import stat
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control
from typer.testing import CliRunner, Result

from adloom.feature_store.event_log import EventLog, LoggedEvent
from adloom.loop.catalogue.product import Product
from adloom.loop.commands.app import app
from adloom.loop.experiments.reading.export import write_private
from adloom.loop.experiments.reading.page import page_of
from adloom.loop.experiments.reading.plan import (
    NothingToPlanBy,
    plan_experiment,
    traffic_to_plan_by,
)
from adloom.loop.experiments.reading.reading import ExperimentReading, read_experiment
from adloom.loop.experiments.reading.sentences import sentences, so_far
from adloom.loop.statistics.discoveries import false_discovery_rates
from adloom.loop.statistics.rates import Interval
from tests.experiment_data import experiment
from tests.loop.experiments.reading_log import ITEMS, START, USERS, log_in

DAY = timedelta(days=1)
SHOP = {
    "mug": Product("mug", "Mug", category="Kitchen > Cups", language="en"),
    "sofa": Product("sofa", "Sofa", category="Living", language="de"),
}


def products(ids: Collection[str]) -> Mapping[str, Product]:
    return {name: product for name, product in SHOP.items() if name in ids}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> EventLog:
    return log_in(tmp_path_factory.mktemp("reading") / "log")


def read(log: EventLog, **changes: object) -> ExperimentReading:
    trial = experiment(start=START, **changes)
    return read_experiment(log, "trial", trial, attribution=DAY, products=products)


@pytest.fixture(scope="module")
def reading(log: EventLog) -> ExperimentReading:
    return read(log)


def test_the_last_day_says_what_the_verdict_goes_by(reading: ExperimentReading) -> None:
    arms = reading.report.judgement.arms
    assert len(reading.days) in (11, 12)
    last = reading.days[-1].so_far["other"]
    # Its windows close a day later, and those of the day before when it is over.
    assert [day.whole for day in reading.days] == [*[True] * (len(reading.days) - 1), False]
    lift = arms["other"].lift
    assert lift is not None
    assert (last.lift, last.low, last.always_valid_low) == pytest.approx(
        (lift.value, lift.interval.low, lift.always_valid.low)
    )
    assert sum(day.ads["other"] for day in reading.days) == arms["other"].impressions
    assert sum(day.clicks["other"] for day in reading.days) == arms["other"].clicks
    widths = [d.so_far["other"].always_valid_high or np.inf for d in reading.days]
    assert widths[-1] < widths[3]


def test_days_and_parts_count_whoever_crossed_in_the_first_arm(tmp_path: Path) -> None:
    log = log_in(tmp_path / "log", ads=800)
    shown = log.read("exposure")
    some = shown[shown["variant"] == "other"].tail(60)
    moved = [
        LoggedEvent(**{str(name): told for name, told in row.items()})._replace(
            event_id=f"m{n}", ad_id=f"m{n}", offset=10_000 + n, variant="control", position=None
        )
        for n, row in enumerate(some.to_dict("records"))
    ]
    log.append(moved)
    found = read(log)
    arms, last = found.report.judgement.arms, found.days[-1].so_far
    assert {a: arms[a].impressions for a in arms} == {a: last[a].ads for a in last}
    assert arms["other"].lift is not None
    assert last["other"].lift == pytest.approx(arms["other"].lift.value)


def test_shoppers_are_new_or_returning_and_every_ad_has_a_shelf_and_a_language(
    reading: ExperimentReading,
) -> None:
    parts = {(s.kind, s.name): s.arms for s in reading.segments}
    assert set(parts) == {
        ("shoppers", "new"), ("shoppers", "returning"),
        ("category", "Kitchen"), ("category", "Living"), ("category", "not in the catalogue"),
        ("language", "en"), ("language", "de"), ("language", "not in the catalogue"),
    }  # fmt: skip
    users = {kind: parts["shoppers", kind] for kind in ("new", "returning")}
    told = {k: sum(arm.users for arm in arms.values()) for k, arms in users.items()}
    assert told["new"] == pytest.approx(USERS / 2, abs=25)
    assert told["returning"] == pytest.approx(USERS / 2, abs=5)
    for kind in ("shoppers", "category", "language"):
        ads = sum(arms["other"].ads for (k, _), arms in parts.items() if k == kind)
        assert ads == reading.report.judgement.arms["other"].impressions


def test_parts_are_held_against_each_other(reading: ExperimentReading) -> None:
    alone = [s.arms["other"].p_value for s in reading.segments]
    together = [s.q_values["other"] for s in reading.segments]
    assert together == pytest.approx(false_discovery_control(np.array(alone, float)))
    rng = np.random.default_rng(0)
    some = rng.random(40) ** 3
    assert false_discovery_rates(some) == pytest.approx(false_discovery_control(some))
    assert len(false_discovery_rates(np.zeros(0))) == 0


def test_the_time_before_saves_variance_and_moves_the_lift_little(
    reading: ExperimentReading,
) -> None:
    assert reading.adjusted is not None
    adjusted = reading.adjusted["other"]
    plain = reading.report.judgement.arms["other"].lift
    assert plain is not None
    assert adjusted.variance_saved is not None
    assert 0.02 < adjusted.variance_saved < 0.9
    assert adjusted.figures.lift == pytest.approx(plain.value, abs=0.2)


def test_users_who_change_their_arm_are_not_adjusted(log: EventLog) -> None:
    found = read(log, allocation="thompson")
    assert found.adjusted is None
    assert "not adjusted" in " ".join(sentences(found))


def test_a_smaller_lift_takes_more_ads_and_days(log: EventLog) -> None:
    small, large = (read(log, expected_lift=lift).ahead for lift in (0.02, 0.1))
    lately = (datetime.now(UTC) - START) / DAY
    assert small.ads_a_day == pytest.approx(3_000 / lately, rel=0.01)
    one, other = small.arms["other"], large.arms["other"]
    assert (one.more_ads or 0) > (other.more_ads or 0) > 0
    assert one.more_days == pytest.approx((one.more_ads or 0) / small.ads_a_day)
    over = read(log, end=START + 11 * DAY)
    assert over.ahead.arms["other"].more_days is None


def test_what_is_undecided_says_how_much_longer_it_takes(reading: ExperimentReading) -> None:
    undecided = replace(reading.report.judgement, verdict="undecided")
    certain = replace(reading, report=replace(reading.report, judgement=undecided))
    assert "more ads" not in " ".join(sentences(certain))  # of an arm that is told apart already
    lift = undecided.arms["other"].lift
    assert lift is not None
    open_lift = replace(lift, always_valid=Interval(-0.1, 0.9))
    arms = undecided.arms | {"other": replace(undecided.arms["other"], lift=open_lift)}
    judgement = replace(undecided, arms=arms)
    still = replace(reading, report=replace(reading.report, judgement=judgement))
    assert "more ads" in " ".join(sentences(still))
    assert f"days at {still.ahead.ads_a_day:,.0f} a day" in " ".join(sentences(still))


def test_an_experiment_that_nobody_saw_is_told_too(tmp_path: Path) -> None:
    found = read(EventLog(tmp_path / "log"))
    assert (found.days, found.segments, found.adjusted) == ([], [], None)
    assert "<h1>trial</h1>" in page_of(found)
    json.dumps(found.as_json(), allow_nan=False)


def test_the_page_needs_nothing_else_and_names_of_events_are_text(log: EventLog) -> None:
    odd = {name: Product(name, name, category=name) for name in ITEMS}
    trial = experiment(start=START)
    found = read_experiment(log, "trial", trial, attribution=DAY, products=lambda ids: odd)
    page = page_of(found)
    assert page.count("<svg") == 2
    assert "<b odd" not in page
    assert "&lt;b odd" in page
    assert "http" not in page
    assert "<script" not in page


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    log_in(tmp_path / "home/features/events", ads=1_500)
    arms = "[experiments.trial.arms]\ncontrol = {}\nother = { guidance = 5.0 }"
    Path("adloom.toml").write_text(
        f'home = "home"\n[experiments.trial]\nstart = {START.isoformat()}\n{arms}\n'
    )
    return tmp_path


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(app, ["experiment", *arguments])
    assert result.exit_code == 0, result.output
    return result


def test_the_command_tells_and_writes_it_all(shop: Path) -> None:
    found = json.loads(run("report", "--json", "--html", "page.html").stdout)
    assert {"arms", "verdict", "by_day", "segments", "adjusted", "ahead"} <= set(found)
    assert found["by_day"][0]["day"] == START.date().isoformat()
    assert "Day by day" in Path("page.html").read_text()
    assert "Adjusted by what users did" in run("report").stdout.replace("\n", " ")


def test_a_lift_that_no_ad_has_is_not_what_ads_so_far_find() -> None:
    assert so_far(0.4) == "40%"
    assert so_far(20.18) == "none below a doubling"


def test_users_are_exported_for_who_exported_them_alone(shop: Path) -> None:
    arms = json.loads(run("report", "--json").stdout)["arms"]
    run("export", "trial", "--out", "users.parquet")
    run("export", "--out", "users.csv")
    table = pd.read_parquet("users.parquet")
    assert len(table) == len(pd.read_csv("users.csv"))
    assert stat.S_IMODE(Path("users.parquet").stat().st_mode) == 0o600
    assert not table.duplicated(["user_id", "arm"]).any()
    of_arm = table[table["arm"] == "other"]
    assert of_arm["exposures"].sum() == arms["other"]["impressions"]
    assert of_arm["clicks"].sum() == arms["other"]["clicks"]
    assert (table["weight"] == 2 * table["exposures"]).all()
    assert table["first_seen"].min().to_pydatetime() >= START
    assert 0.3 < (table["ads_before"] > 0).mean() < 0.7
    assert set(table["experiment_id"]) == {"trial"}
    assert (table["variation_id"] == table["arm"]).all()
    assert (table["timestamp"] == table["first_seen"]).all()
    run("export", "--out", "users.data", "--format", "csv")
    assert Path("users.data").read_bytes() == Path("users.csv").read_bytes()
    wrong = CliRunner().invoke(app, ["experiment", "export", "--out", "users.xls"])
    assert wrong.exit_code == 2
    assert ".parquet or .csv" in wrong.stderr


_ODD = (
    "\r",
    "a\r\nb",
    "\n",
    "NaN",
    "null",
    "None",
    "007",
    "1e5",
    "a,b",
    'q"',
    " x ",
    "\ufeff",
    "=1+1",
)


@given(st.lists(st.sampled_from(_ODD) | st.text(min_size=1), min_size=1, unique=True))
@settings(max_examples=60, deadline=None)
def test_a_csv_is_read_as_it_was_written_whatever_users_are_called(users: list[str]) -> None:
    users = [user for user in users if "\0" not in user]  # events have none
    table = pd.DataFrame({"user_id": users, "clicks": range(len(users))})
    with TemporaryDirectory() as folder:
        file = Path(folder) / "users.csv"
        write_private(table, file, "csv")
        with file.open(newline="", encoding="utf-8") as opened:
            assert [row["user_id"] for row in csv.DictReader(opened)] == users
        by_pandas = pd.read_csv(file, dtype={"user_id": str}, keep_default_na=False)
    assert by_pandas["user_id"].tolist() == users
    assert by_pandas["clicks"].tolist() == [*range(len(users))]


def test_a_plan_goes_by_the_log_or_by_what_is_given(shop: Path) -> None:
    seen = json.loads(run("power", "trial", "--json").stdout)
    assert 1_400 < seen["traffic"]["ads"] < 1_500  # the last windows are open
    assert seen["traffic"]["ads_a_day"] == pytest.approx(75, rel=0.1)
    assert seen["traffic"]["design_effect"] > 1.2
    assert seen["ads_one_look"] < seen["ads"]
    given = json.loads(run("power", "--rate", "0.02", "--visits", "1e5", "--json").stdout)
    assert given["days"] == pytest.approx(given["ads"] / 1e5)
    assert given["detectable"][0]["lift"] > given["detectable"][-1]["lift"]
    assert "with a chance of 80%" in run("power", "trial").stdout.replace("\n", " ")


def test_a_plan_says_which_days_it_goes_by_and_takes_those_there_are(tmp_path: Path) -> None:
    log = log_in(tmp_path / "log", ads=800)
    now = START + 12 * DAY
    before = traffic_to_plan_by(log, START, now, attribution=DAY)
    assert before is not None
    assert before.last_day is not None
    assert before.last_day < START.date()
    early = START - timedelta(days=100)  # nothing was shown before: what came since is there
    since = traffic_to_plan_by(log, early, now, attribution=DAY)
    assert since is not None
    assert since.ads > before.ads
    assert since.last_day == (now - DAY - timedelta(minutes=1)).date()
    nothing = plan_by_nothing(EventLog(tmp_path / "empty"), now)
    assert f"no ad from {(now - 28 * DAY).date()} to {now.date()} whose window" in nothing
    unclicked = replace(before, rate=0.0)
    with pytest.raises(
        NothingToPlanBy, match=rf"none of the {before.ads} ads .* {before.last_day}"
    ):
        plan_experiment(experiment(start=START), unclicked, now=now)


def plan_by_nothing(log: EventLog, now: datetime) -> str:
    seen = traffic_to_plan_by(log, START, now, attribution=DAY)
    with pytest.raises(NothingToPlanBy) as told:
        plan_experiment(experiment(start=START), seen, now=now)
    return str(told.value)


def test_without_a_log_a_plan_asks_for_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("adloom.toml").write_text('home = "home"')
    result = CliRunner().invoke(app, ["experiment", "power"])
    assert result.exit_code == 2
    assert "give --rate" in result.stderr
