"""`adloom experiment report`, from events in the log to figures and words."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from adloom.feature_store.event_log import EventLog, LoggedEvent
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from adloom.loop.commands.app import app
from adloom.loop.experiments.assignment import Allocation, assign
from adloom.loop.experiments.report import (
    NoExperiment,
    choose_experiment,
    report_experiment,
)
from tests.experiment_data import experiment

START = datetime.now(UTC) - timedelta(days=2)
CONFIG = f"""
home = "home"
[experiments.trial]
start = {START.isoformat()}
[experiments.trial.arms]
control = {{}}
other = {{ guidance = 5.0 }}
"""


def visit(
    n: int, user: str, *, clicked_after: timedelta | None = None, **more: Any
) -> list[LoggedEvent]:
    """An exposure by the real split, and its click if there was one."""
    even = Allocation({"control": 0.5, "other": 0.5})
    dealt = assign("trial", "trial", user, even)
    fields: dict[str, Any] = {
        "user_id": user,
        "item_id": "shoe",
        "topic": "t",
        "partition": 0,
        "offset": n,
        "ad_id": f"ad-{n}",
        "variant": dealt.variant,
        "propensity": dealt.propensity,
        "context": json.dumps({"version": "1", **dealt.context()}),
        "ts": START + timedelta(seconds=n),
    }
    shown = LoggedEvent(kind="exposure", event_id=f"e{n}", **(fields | more))
    if clicked_after is None:
        return [shown]
    return [shown, shown._replace(kind="click", event_id=f"c{n}", ts=shown.ts + clicked_after)]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["experiment", "report", *arguments])


def append(events: list[LoggedEvent]) -> None:
    with FeatureStore.open(FeatureStoreSettings(), Path("home/features")) as store:
        store.log.append(events)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("adloom.toml").write_text(CONFIG)


def variant_of(user: str) -> str:
    return visit(0, user)[0].variant or ""


def test_the_report_counts_what_was_shown_and_clicked_in_time() -> None:
    users = [f"user-{n}" for n in range(400)]
    events = []
    for n, user in enumerate(users * 5):
        often = n % 3 == 0 if variant_of(user) == "other" else n % 9 == 0
        late = timedelta(hours=23 if n % 2 else 1)
        events += visit(n, user, clicked_after=late if often else None)
    counted = [e for e in events if e.kind == "click"]
    events += visit(9_000, users[0], clicked_after=timedelta(hours=25))  # out of the window
    events += visit(9_001, users[1], ts=START - timedelta(hours=1))  # before the start
    events += visit(9_002, users[2], variant="champion")  # no arm of it
    append(list(reversed(events)))

    result = run("--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["verdict"], found["winner"]) == ("ship", "other")
    assert found["srm_p_value"] > 0.001
    assert (found["users"], found["crossed_users"], found["warnings"]) == (400, 0, [])
    arms = found["arms"]
    assert sum(arm["impressions"] for arm in arms.values()) == 2_001
    assert sum(arm["clicks"] for arm in arms.values()) == len(counted)
    other = arms["other"]
    assert other["ctr_low"] < other["ctr"] < other["ctr_high"]
    assert other["lift_always_valid_low"] < other["lift_low"] < other["lift"] < other["lift_high"]
    assert other["lift"] == pytest.approx(other["ctr"] / arms["control"]["ctr"] - 1)
    assert (arms["control"]["lift"], other["versions"]) == (0.0, [1])
    policy = other["off_policy"]
    assert set(policy) == {"ips", "snips", "dr"}
    assert policy["snips"]["value"] == pytest.approx(other["ctr"])
    assert policy["dr"]["low"] < other["ctr"] < policy["dr"]["high"]

    words = run("trial").stdout
    assert "ship; other is clicked more than control" in words
    assert "Always valid" in words


def test_a_bad_split_is_flagged_and_named() -> None:
    users = [f"user-{n}" for n in range(2_500)]
    kept = [u for n, u in enumerate(users) if variant_of(u) == "control" or n % 4]
    append([e for n, user in enumerate(kept) for e in visit(n, user)])
    found = json.loads(run("--json").stdout)
    assert found["verdict"] == "bad_split"
    assert found["srm_p_value"] < 0.001


def test_users_that_changed_their_arm_are_told() -> None:
    moved = {"control": "other", "other": "control"}[variant_of("ann")]
    append([*visit(1, "ann"), *visit(2, "ann", variant=moved), *visit(3, "bob")])
    found = json.loads(run("--json").stdout)
    assert found["crossed_users"] == 1
    assert "(50.0%) were in more than one arm: weights or salt were changed" in found["warnings"][0]
    assert "judged by the first arm, and lifts come out smaller" in found["warnings"][0]
    assert found["crossed_users_judged_by"] == "first_arm"
    assert sum(arm["users"] for arm in found["arms"].values()) == 2
    assert "for one look" in found["notes"][0]
    assert set(found["split"]) == {"users", "exposures", "exposures_a_user", "p_value"}
    assert found["split_sentence"].startswith("Nothing speaks against the split")
    assert "is for one look" in " ".join(run().stdout.split())


def test_an_alias_that_moved_is_told() -> None:
    second = json.dumps({"version": "2", "experiment": "trial"})
    append([*visit(1, "ann"), *visit(2, "ann", context=second)])
    found = json.loads(run("--json").stdout)
    assert "versions 1, 2: its alias moved" in found["warnings"][0]


def test_exposures_of_foreign_producers_count_and_nonsense_in_a_context_does_not_break() -> None:
    contexts = [
        {},
        {"version": "v1.2", "seconds": "fast", "propensities": [1]},
        {"version": 1e300, "drawn_together": -5, "seconds": -1, "valid_title": None},
        {"propensities": {"control": "half", "other": None}, "batch": {"a": 1}},
        {"experiment": "another"},
        {"experiment": ["trial"]},
    ]
    append([e for n, c in enumerate(contexts) for e in visit(n, "ann", context=json.dumps(c))])
    append(visit(9, "ann", propensity=None))
    result = run("--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert sum(arm["impressions"] for arm in found["arms"].values()) == 4


def test_what_an_arm_showed_is_told_and_an_arm_of_the_shops_own_ads_is_named() -> None:
    sources = {"control": ["drawn", "pool", "drawn", "pool"], "other": ["shop", "shop", "drawn"]}
    for n in range(60):
        of_arm = sources[variant_of(f"user-{n}")]
        context = json.dumps({"experiment": "trial", "source": of_arm[n % len(of_arm)]})
        append(visit(n, f"user-{n}", context=context))
    append(visit(60, "ann"))  # of a release that did not tell it
    found = json.loads(run("--json").stdout)
    shown = {arm: of["shown"] for arm, of in found["arms"].items()}
    assert shown["control"]["shop"] == 0
    assert 0.5 < shown["other"]["shop"] < 0.9
    assert all(sum(shares.values()) == pytest.approx(1) for shares in shown.values())
    [warning] = found["warnings"]
    assert "of the ads of other were the shop's own" in warning
    told = " ".join(run().stdout.split())
    assert "Drawn / pool / shop" in told
    assert f"{shown['other']['drawn']:.0%} / 0% / {shown['other']['shop']:.0%}" in told


@pytest.mark.parametrize("chance", [1e-300, 5e-324, 1e-9])
def test_an_arm_dealt_by_a_chance_that_none_has_is_left_out_and_told(chance: float) -> None:
    append([e for n in range(20) for e in visit(n, f"user-{n}")])
    before = json.loads(run("--json").stdout)
    append(visit(20, "user-20", propensity=chance))
    found = json.loads(run("--json").stdout)
    assert found["arms"] == before["arms"]
    assert "1 ad is left out: by their events" in found["warnings"][0]
    assert "below 0.01%" in " ".join(run().stdout.split())


_BEYOND = st.sampled_from([1e308, -1e308, 1e-308, 10**400, -1, 0, True, "inf", "nan", "1e308", []])
_MEASURED = ("seconds", "row_steps", "drawn_together", "valid_title", "version", "batch")


@given(
    st.dictionaries(st.sampled_from(_MEASURED), _BEYOND),
    st.dictionaries(st.sampled_from(["control", "other"]), _BEYOND),
)
@settings(max_examples=40, deadline=None)
def test_numbers_that_nothing_measures_break_no_report(
    context: dict[str, Any], shares: dict[str, Any]
) -> None:
    odd = json.dumps({**context, "propensities": shares})
    events = [
        event
        for n in range(40)
        for event in visit(
            n,
            f"user-{n}",
            clicked_after=timedelta(minutes=1) if n % 5 == 0 else None,
            **({"context": odd} if n < 4 else {}),
        )
    ]
    with TemporaryDirectory() as folder, np.errstate(over="raise", invalid="raise"):
        log = EventLog(Path(folder) / "log")
        log.append(events)
        trial = experiment(start=START)
        report = report_experiment(log, "trial", trial, attribution=timedelta(hours=1))
        json.dumps(report.as_json(), allow_nan=False)


def test_an_experiment_without_exposures_is_collecting() -> None:
    found = json.loads(run("--json").stdout)
    assert found["verdict"] == "collecting"
    assert found["srm_p_value"] == 1.0
    assert found["arms"]["other"]["lift"] is None
    assert run().exit_code == 0


def test_what_is_not_defined_cannot_be_reported() -> None:
    result = run("unknown")
    assert result.exit_code == 2
    assert "no experiment 'unknown'" in result.stderr
    Path("adloom.toml").write_text('home = "home"')
    result = run()
    assert result.exit_code == 2
    assert "[experiments.NAME]" in result.stderr


def test_without_a_name_the_experiment_that_ran_last_is_meant() -> None:
    day = timedelta(days=1)
    first = experiment(start=START, end=START + day)
    second = experiment(start=START + day, end=START + 2 * day)
    both = {"second": second, "first": first}
    assert choose_experiment(both, None, START + day / 2) == "first"
    assert choose_experiment(both, None, START + 5 * day) == "second"
    assert choose_experiment({"first": first}, None, START - day) == "first"
    with pytest.raises(NoExperiment):
        choose_experiment({}, None, START)
