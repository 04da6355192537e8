"""An experiment's definition is checked at start; what is wrong is named by its key."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from adloom.loop import home
from adloom.loop.experiments.running import UnservableArm, unservable_arms, versions_of_arms
from adloom.loop.settings import SettingsError, load_settings
from adloom.models.settings import GeneratorSettings
from tests.loop_parts import tiny_settings

GOOD = """
[experiments.guidance]
start = 2026-01-02T00:00:00Z
arms.weak = {}
arms.strong = { version = "@challenger", guidance = 5.0, history_items = 4, weight = 3 }
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_definition_is_read(elsewhere: Path) -> None:
    (elsewhere / "adloom.toml").write_text(GOOD)
    found = load_settings().experiments["guidance"]
    assert found.control_arm == "weak"
    assert found.shares == {"weak": 0.25, "strong": 0.75}
    assert found.arms["weak"].version == "champion"
    assert found.arms["strong"].version == "challenger"
    applied = found.arms["strong"].applied_to(GeneratorSettings(temperature=0.5))
    assert (applied.guidance, applied.history_items, applied.temperature) == (5.0, 4, 0.5)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (("arms.weak = {}\n", ""), r"guidance\.arms: has 1 and needs at least 2: write \["),
        (("arms.weak", "arms.'弱い'"), r"guidance\.arms\.弱い: cannot be a name here: .*digits"),
        (("arms.weak", "arms.弱い"), r"adloom\.toml: not valid TOML: .*; a name has the letters"),
        (
            ("[experiments.guidance]", "[experiments.试验]"),
            "not valid TOML: .*; a name has the letters",
        ),
        (
            ("[experiments.guidance]", '[experiments."试验"]'),
            r"experiments\.试验: cannot be a name here",
        ),
        (("arms.weak = {}", "arms.weak = 5"), r"arms\.weak: must be a table, such as"),
        (("weight = 3", "weight = 'x'"), r"arms\.strong\.weight: must be a number$"),
        (("guidance = 5.0", "guidance = 50.0"), "experiments.guidance.arms.strong.guidance"),
        (("guidance = 5.0", "guidence = 5.0"), "arms.strong.guidence: no such setting"),
        (("guidance = 5.0", "batch_size = 4"), "arms.strong.batch_size: .* one base model"),
        (("weight = 3", "weight = 0"), "experiments.guidance.arms.strong.weight"),
        (("weight = 3", "weight = 1e-300"), r"arms\.strong\.weight: an arm has 0\.01% at least"),
        (
            ("start =", 'allocation = "thompson"\nexplore = 1e-9\nstart ='),
            "explore: each arm keeps 0.01% of the users at least",
        ),
        (('"@challenger"', "0"), r"arms\.strong\.version: must be the number [^;]*$"),
        (('"@challenger"', "1.5"), r"arms\.strong\.version: must be the number [^;]*$"),
        (("00Z", "00"), "experiments.guidance.start: has no timezone: write 2026-01-02T00:00:00Z"),
        (("2026-01-02T00:00:00Z", "20260102"), "experiments.guidance.start: ISO 8601"),
        (("start", "end"), r"guidance\.start: is missing: write start = 20\d\d-.*Z"),
        (("start", "control = 'x'\nstart"), "experiments.guidance: control: no arm 'x'"),
        (("start", "end = 2025-01-01T00:00:00Z\nstart"), "experiments.guidance: end: "),
        (("start", "allocation = 'magic'\nstart"), "experiments.guidance.allocation"),
    ],
)
def test_a_wrong_definition_is_refused_by_key(
    elsewhere: Path, change: tuple[str, str], key: str
) -> None:
    assert change[0] in GOOD
    (elsewhere / "adloom.toml").write_text(GOOD.replace(*change))
    with pytest.raises(SettingsError, match=key):
        load_settings()


def test_two_experiments_at_once_are_refused(elsewhere: Path) -> None:
    second = GOOD.replace("guidance]", "second]").replace("01-02T", "01-03T")
    (elsewhere / "adloom.toml").write_text(GOOD + second)
    with pytest.raises(SettingsError, match=r"second\.start: guidance still runs"):
        load_settings()
    ended = GOOD.replace("start", "end = 2026-01-03T00:00:00Z\nstart")
    (elsewhere / "adloom.toml").write_text(ended + second)
    assert list(load_settings().experiments) == ["guidance", "second"]


def test_an_arm_of_an_unregistered_version_is_refused_by_key(tmp_path: Path) -> None:
    arms = {"a": {}, "b": {"version": 9}}
    settings = tiny_settings(
        tmp_path, experiments={"trial": {"start": datetime.now(UTC), "arms": arms}}
    )
    registry = home.registry_with_base(settings)
    with pytest.raises(UnservableArm, match=r"experiments\.trial\.arms\.b\.version: no version 9"):
        versions_of_arms(settings.experiments, registry, datetime.now(UTC))
    [told] = unservable_arms("trial", settings.experiments["trial"], registry, datetime.now(UTC))
    assert told.startswith("experiments.trial.arms.b.version: no version 9")
