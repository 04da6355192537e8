"""Experiments whose arms a platform of the shop's own deals out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adloom.feature_store.event_log import EventLog
from adloom.loop.experiments.running import NotAssignable, RunningExperiments
from adloom.loop.settings.experiments import Experiment, refuse_overlaps

START = datetime(2026, 1, 1, tzinfo=UTC)


def experiment(**more: Any) -> Experiment:
    arms = {"a": {}, "b": {"weight": 3.0}}
    return Experiment.model_validate({"arms": arms, "start": START, **more})


def running(folder: Path, **experiments: Experiment) -> RunningExperiments:
    return RunningExperiments(experiments, EventLog(folder), timedelta(hours=1))


@pytest.mark.parametrize("more", [{"salt": "s"}, {"holdout": "a"}, {"allocation": "thompson"}])
def test_what_adloom_deals_by_is_refused_by_name(more: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=f"{next(iter(more))}.*assigned_by"):
        experiment(assigned_by="caller", **more)


def test_nobody_is_dealt_into_it(tmp_path: Path) -> None:
    found = running(tmp_path, outside=experiment(assigned_by="caller"))
    assert all(found.assign(f"user-{n}", START) is None for n in range(100))


def test_it_runs_beside_others(tmp_path: Path) -> None:
    every = {
        "outside": experiment(assigned_by="caller"),
        "another": experiment(assigned_by="caller"),
        "dealt": experiment(),
    }
    refuse_overlaps(every)
    with pytest.raises(ValueError, match="still runs then"):
        refuse_overlaps({**every, "second": experiment()})
    dealt = running(tmp_path, **every).assign("ann", START)
    assert dealt is not None
    assert dealt.experiment == "dealt"


def test_a_propensity_that_is_not_said_is_the_weight_of_the_arm(tmp_path: Path) -> None:
    found = running(tmp_path, outside=experiment(assigned_by="caller"))
    assert found.assigned("outside", "b", None, START).propensity == 0.75
    assert found.assigned("outside", "b", 0.1, START).propensity == 0.1
    with pytest.raises(NotAssignable, match="does not run now") as refused:
        found.assigned("outside", "b", None, START - timedelta(seconds=1))
    assert refused.value.field == "experiment"
