"""The benchmark of coverage, small: `python -m tests.benchmarks.coverage`."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.benchmarks.coverage import one_run, summary
from tests.benchmarks.coverage_cases import CASES


@pytest.mark.slow
def test_a_bot_and_late_clicks_raise_no_alarm_and_intervals_hold() -> None:
    for name in ("one_bot", "unequal_delays"):
        found = summary(name, [one_run(name, seed) for seed in range(4)])
        assert json.loads(json.dumps(found)) == found
        assert found["coverage_holds"]
        assert found["false_alarms"]["share"] <= 1 / 4


def test_the_last_look_of_a_trial_knows_all_of_it() -> None:
    trial = CASES["unequal_delays"].make(np.random.default_rng(0), 0.2)
    looks = list(trial.looks())
    assert looks[-1].closed.all()
    assert (looks[-1].clicked == trial.outcomes.clicked).all()
    open_then = looks[4]
    assert not open_then.closed.all()
    assert (open_then.clicked <= trial.outcomes.clicked[: len(open_then)]).all()
    assert trial.truth(len(trial.outcomes)) == pytest.approx([0.0, 0.2])
