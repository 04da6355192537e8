"""Off-policy estimates find the value of a policy that never ran."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from adloom.loop.commands.app import app
from adloom.loop.experiments.open_bandit_value import action_distribution, off_policy_check
from adloom.loop.replay.errors import ClickLogUnavailable
from adloom.loop.replay.open_bandit import open_bandit
from adloom.loop.statistics.off_policy import (
    LoggedRewards,
    PolicyValue,
    fitted_rates,
    fold_of,
    policy_values,
)

ESTIMATORS = ("ips", "snips", "dr")
RATES = np.array([0.01, 0.02, 0.03, 0.10, 0.05])
LOGGING = np.array([0.40, 0.30, 0.15, 0.05, 0.10])
TARGET = np.array([0.05, 0.05, 0.10, 0.60, 0.20])


def logged(seed: int, n: int = 3_000) -> dict[str, PolicyValue]:
    """Estimates of TARGET from a log of LOGGING."""
    rng = np.random.default_rng(seed)
    action = rng.choice(5, n, p=LOGGING)
    reward = (rng.random(n) < RATES[action]).astype(np.float64)
    row = np.arange(n)
    model = fitted_rates(reward, action, 5, fold_of(row))
    return policy_values(
        LoggedRewards(
            reward=reward,
            weight=TARGET[action] / LOGGING[action],
            model_logged=model[fold_of(row), action],
            model_target=(model @ TARGET)[fold_of(row)],
            cluster=row,
        )
    )


def test_estimates_are_unbiased_and_their_intervals_cover() -> None:
    truth = float(TARGET @ RATES)
    runs = [logged(seed) for seed in range(300)]
    for name in ESTIMATORS:
        values = np.array([run[name].value for run in runs])
        assert values.mean() == pytest.approx(truth, abs=4 * values.std() / np.sqrt(300))
        covered = np.mean([run[name].low <= truth <= run[name].high for run in runs])
        assert covered > 0.9


def test_a_policy_on_its_own_log_is_worth_what_it_earned() -> None:
    reward = np.array([1.0, 0.0, 0.0, 1.0, 0.0])
    same = LoggedRewards(reward, np.ones(5), np.zeros(5), np.zeros(5), np.arange(5))
    assert {value.value for value in policy_values(same).values()} == {0.4}
    assert same.effective_size == 5


def test_a_policy_that_was_never_tried_has_a_useless_interval() -> None:
    nothing = LoggedRewards(np.ones(5), np.zeros(5), np.zeros(5), np.zeros(5), np.arange(5))
    for value in policy_values(nothing).values():
        assert (value.low, value.high) == (0.0, 1.0)


def test_the_reward_model_has_not_seen_what_it_is_asked_about() -> None:
    reward, action = np.array([1.0, 0, 0, 0, 0]), np.zeros(5, np.int64)
    model = fitted_rates(reward, action, 1, fold_of(np.arange(5)))
    assert model[0, 0] == 0.0  # the fold of the only click
    assert (model[1:, 0] > 0).all()


def frame(item: NDArray[np.int64], propensity: NDArray[np.float64]) -> pd.DataFrame:
    n = len(item)
    return pd.DataFrame(
        {
            "item_id": [f"item-{i}" for i in item],
            "position": np.zeros(n, int),
            "click": np.zeros(n, bool),
            "propensity": propensity,
            "variant": "logged",
        }
    )


def test_the_policy_of_a_log_is_what_it_states_or_what_it_showed() -> None:
    rng = np.random.default_rng(0)
    items = pd.Index([f"item-{i}" for i in range(2)])
    fixed = frame(np.array([0, 1, 1]), np.array([0.25, 0.75, 0.75]))
    assert action_distribution(fixed, items) == pytest.approx(np.array([[0.25, 0.75]]))
    # Every row has a policy of its own; item 1 is shown 0.3 of the time on the whole.
    chance = rng.beta(0.3, 0.7, 20_000)
    item = (rng.random(20_000) < chance).astype(np.int64)
    moving = frame(item, np.where(item == 1, chance, 1 - chance))
    assert action_distribution(moving, items)[0, 1] == pytest.approx(0.3, abs=0.02)


def test_an_item_that_one_log_never_showed_is_no_obstacle() -> None:
    log = frame(np.array([0, 1] * 20), np.full(40, 0.5))
    target = frame(np.array([0, 0, 2, 0]), np.array([0.75, 0.75, 0.25, 0.75]))
    check = off_policy_check(log, target)
    assert check.estimates["ips"].value == 0.0
    assert check.effective_size == pytest.approx(20)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    try:
        open_bandit(home / "cache", "all", "random")
    except ClickLogUnavailable as error:
        pytest.skip(str(error))
    return home


@pytest.mark.slow
@pytest.mark.parametrize("campaign", ["all", "men", "women"])
def test_estimates_on_real_traffic_hold_the_truth(
    home: Path, campaign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADLOOM_HOME", str(home))
    command = ["experiment", "off-policy", "--campaign", campaign]
    result = CliRunner().invoke(app, [*command, "--json"])
    assert result.exit_code == 0, result.output
    there, back = json.loads(result.stdout)
    assert (there["logged_by"], there["target"]) == ("random", "bts")
    assert (back["logged_by"], back["target"]) == ("bts", "random")
    for check in (there, back):
        assert check["rows"] == 10_000
        assert check["holds_truth"] == dict.fromkeys(ESTIMATORS, True)
    if campaign == "all":
        assert (there["clicks"], there["truth"]["value"]) == (38, 0.0042)
        shown = CliRunner().invoke(app, command).stdout
        assert "Truth (its own log)" in shown
        assert "SNIPS" in shown
