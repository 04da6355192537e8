"""`adloom versions show` and `diff`: what is known of a version, and how two differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from rich.console import Console
from typer.testing import CliRunner, Result

from adloom.loop.commands.app import app
from adloom.loop.learning.registry import AdRegistry
from adloom.loop.settings import Settings
from tests.loop.learning.judged_version import NAME, judged_version, old_version
from tests.loop_parts import adapter_folder, hand_made_registry, register_by_hand, tiny_settings

_WIDTH = 400


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return tiny_settings(tmp_path_factory.mktemp("versions"))


@pytest.fixture(scope="module")
def registry(settings: Settings) -> AdRegistry:
    """1 is the base, 2 of an earlier release, 3 and 4 are judged, 5 and 6 have adapters."""
    registry = hand_made_registry(settings)
    old_version(registry)
    judged_version(registry, parent=2, clicks=30)
    judged_version(registry, parent=3, clicks=40)
    for name in ("one", "other"):
        register_by_hand(settings, registry, adapter_folder(settings, name))
    return registry


@pytest.fixture(autouse=True)
def _made(registry: AdRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test reads these versions, and no line is wrapped."""
    monkeypatch.setattr("adloom.loop.commands.versions.console", Console(width=_WIDTH))


def run(settings: Settings, *arguments: str) -> Result:
    env = {"ADLOOM_HOME": str(settings.home)}
    return CliRunner().invoke(app, ["versions", *arguments], env=env)


def told(settings: Settings, *arguments: str) -> dict[str, Any]:
    result = run(settings, *arguments, "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_version_is_shown_with_clicks_judgement_settings_and_files(settings: Settings) -> None:
    found = told(settings, "show", "3")
    assert found["description"].startswith("Round 3, from version 2: learned from 30 clicks of 3 ")
    assert (found["parent"], found["gate"]) == (2, "passed")
    clicks = {one["name"]: one for one in found["clicks"]}
    assert clicks["training clicks"]["context"] == "training"
    assert (clicks["training clicks"]["num_rows"], clicks["training clicks"]["shoppers"]) == (30, 3)
    assert clicks["training clicks"]["shown_from"] == "2026-01-02T00:00:00Z"
    figures = {one["name"]: one for one in found["figures"]}
    assert figures["pbs"] == {
        "name": "pbs",
        "champion": 0.1,
        "challenger": 0.15,
        "difference": 0.05,
        "low": None,  # an interval without end has no number in JSON
        "high": None,
        "answer": "cannot_tell",
    }
    assert figures["click_log_ratio"]["low"] == 0.01
    assert [(group["by"], group["name"]) for group in found["groups"]] == [
        ("all", ""),
        ("category", "tea | <b>"),
        ("language", "de"),
    ]
    assert found["params"]["rank"] == "8"
    assert found["run"]["files"] == ["judgement.json", "model_card.md"]
    printed = run(settings, "show", "3").stdout
    for text in (
        found["description"],
        "passed",
        "+0.01 to +0.05",
        "category: tea | <b>",
        "runs:/",
        found["clicks"][0]["digest"][:12],
    ):
        assert text in printed


def test_nobody_is_named_in_what_a_version_carries(
    settings: Settings, registry: AdRegistry
) -> None:
    run_id = registry.version(3).run_id
    tracked = MlflowClient(registry.tracking_uri).get_run(run_id)
    card = registry.logged.file(registry.logged.find(run_id), "model_card.md", 1 << 20)  # type: ignore[arg-type]
    assert card is not None
    assert "Round 3" in card.decode()
    for text in (
        json.dumps(tracked.to_dictionary()),
        card.decode(),
        run(settings, "show", "3").stdout,
    ):
        assert "shopper-" not in text


def test_the_champion_is_shown_where_none_is_named(settings: Settings) -> None:
    assert told(settings, "show")["version"] == 1
    assert told(settings, "show", "@champion")["aliases"] == ["champion"]
    assert "versions" not in run(settings, "show").stderr


def test_a_version_of_an_earlier_release_is_shown_with_what_is_known(settings: Settings) -> None:
    found = told(settings, "show", "2")
    assert (found["description"], found["clicks"], found["groups"]) == ("", [], [])
    assert (found["parent"], found["gate"], found["run"]) == (1, "passed", None)
    assert found["window"] == {
        "from": "2026-01-01T00:00:00+00:00",
        "until": "2026-01-02T00:00:00+00:00",
    }
    [figure] = found["figures"]
    assert (figure["name"], figure["champion"], figure["challenger"]) == ("pbs", 0.1, 0.2)
    assert figure["difference"] == pytest.approx(0.1)
    assert (figure["low"], figure["answer"]) == (None, "")
    assert "none, or deleted" in run(settings, "show", "2").stdout


def test_two_versions_differ_in_settings_figures_clicks(settings: Settings) -> None:
    found = told(settings, "diff", "3", "4")
    assert (found["a"], found["b"], found["relation"]) == (3, 4, "b judged against a")
    assert found["params"] == {"clicks": {"a": "30", "b": "40"}}
    assert found["figures"]["click_log_ratio"]["b"]["high"] == 0.05
    rows = {side: found["clicks"][side][0]["num_rows"] for side in ("a", "b")}
    assert rows == {"a": 30, "b": 40}
    assert told(settings, "diff", "2", "4")["relation"] == "judged apart"
    assert told(settings, "diff", "4", "3")["relation"] == "a judged against b"
    printed = run(settings, "diff", "2", "4").stdout
    assert "on different clicks" in printed
    of_base = [line.split() for line in run(settings, "diff", "1", "1").stdout.splitlines()]
    assert ["from", "version", "none", "none"] in of_base
    assert ["clicks", "none", "none"] in of_base
    assert "+0.03 (+0.01 to +0.05)" in printed


def test_adapters_are_compared_where_they_are_here_or_asked_for(settings: Settings) -> None:
    assert told(settings, "diff", "1", "6")["modules"] is None
    assert "--weights" in run(settings, "diff", "1", "6").stdout
    fetched = told(settings, "diff", "1", "6", "--weights")["modules"]
    assert {one["module"] for one in fetched} == {"q_proj", "k_proj", "v_proj", "o_proj"}
    assert all(one["one"] == 0 < one["other"] == one["difference"] for one in fetched)
    assert told(settings, "diff", "1", "6")["modules"] == fetched
    told(settings, "diff", "5", "6", "--weights")
    same = told(settings, "diff", "5", "6")["modules"]
    lora = [one for one in same if one["module"].endswith("_proj")]
    assert all(one["difference"] < 1e-6 * one["one"] for one in lora)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "77"], "no version 77"),
        (["show", "@nobody"], "is @nobody"),
        (["show", "champion"], "name a version by its number, or by an alias"),
        (["show", "@"], "name a version by its number, or by an alias"),
        (["diff", "1", "77"], "no version 77"),
    ],
)
def test_what_is_not_there_is_told_in_a_line(
    settings: Settings, arguments: list[str], told: str
) -> None:
    result = run(settings, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    [line] = result.stderr.splitlines()
    assert told in line


@pytest.mark.parametrize("text", ["", "{", "[]", '{"answer": "better"}', "x" * (2 << 20)])
def test_a_judgement_that_somebody_spoilt_is_not_read(
    settings: Settings, registry: AdRegistry, tmp_path: Path, text: str
) -> None:
    client = MlflowClient(registry.tracking_uri)
    run_id = registry.runs.start("spoilt", params={}, tags={})
    client.log_text(run_id, text, "judgement.json")
    made = client.create_model_version(NAME, tmp_path.as_uri(), run_id=run_id)
    found = told(settings, "show", str(made.version))
    assert (found["figures"], found["groups"]) == ([], [])


def test_reading_makes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for arguments in (["show"], ["diff", "1", "2"]):
        result = CliRunner().invoke(app, ["versions", *arguments], env={"ADLOOM_HOME": str(home)})
        assert result.exit_code == 2
    assert not list(tmp_path.iterdir())
