"""The whole loop, small, on the untrained generator; and the commands around it."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow.pyfunc import load_model
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from adloom.loop import home
from adloom.loop.commands.app import app
from adloom.loop.demo.demo import run_demo
from adloom.loop.demo.parts import DemoPlan
from adloom.loop.settings import Settings
from tests.forking import processes
from tests.loop_parts import tiny_settings

SMALL = DemoPlan(rounds=1, shoppers=6, shop_ads=24, new_shop_ads=4, browsing=1.0, ads_per_round=4)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def settings(out: Path) -> Settings:
    return tiny_settings(out, rounds={"max_examples": 24})


@pytest.fixture(scope="module")
def summary(out: Path, settings: Settings) -> dict[str, Any]:
    run_demo(settings, SMALL, out, Console(quiet=True))
    read: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return read


def test_no_event_is_lost(summary: dict[str, Any]) -> None:
    assert summary["dead_letters"] == 5
    assert summary["events_consumed"] + summary["dead_letters"] == summary["events_produced"]
    assert summary["features_written"] > 0


def test_each_kind_of_bad_event_is_set_aside_with_its_reason(summary: dict[str, Any]) -> None:
    reasons = ("not_json", "missing_field", "wrong_type", "future_timestamp", "too_large")
    assert summary["dead_letters_by_reason"] == dict.fromkeys(reasons, 1)


def test_a_round_makes_a_version(summary: dict[str, Any]) -> None:
    (made,) = summary["rounds"]
    assert made["version"] == 2
    if made["promoted"]:
        assert made["heldout_loss_after"] < made["heldout_loss_before"]
    assert len(summary["ctr_by_round"]) == 2


def test_learning_is_held_against_a_frozen_arm_an_ideal_reader_and_an_oracle(
    summary: dict[str, Any],
) -> None:
    expected = summary["drift"]["expected_ctr_by_round"]
    assert set(expected) == {"frozen", "learning", "ideal", "oracle"}
    assert len(expected["oracle"]) == 2
    for ideal, oracle in zip(expected["ideal"], expected["oracle"], strict=True):
        assert 0 < ideal <= oracle < 1
    arms = summary["experiment"]["arms"]
    assert sum(arm["impressions"] for arm in arms.values()) == summary["ads_served"]
    assert sum(arm["clicks"] for arm in arms.values()) == summary["clicks"]


def test_the_experiment_of_the_demo_is_reported_from_its_settings(
    summary: dict[str, Any], out: Path
) -> None:
    command = ["--config", str(out / "adloom.toml"), "experiment", "report", "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    assert told["arms"].keys() == {"frozen", "learning"}
    assert told["arms"]["frozen"]["clicks"] == summary["experiment"]["arms"]["frozen"]["clicks"]


def test_ads_and_report_are_written(summary: dict[str, Any], out: Path) -> None:
    ads = sorted((out / "ads").glob("*.png"))
    assert len(ads) == summary["ads_served"] == 8
    assert Image.open(ads[0]).size == (512, 640)
    assert "The loop, end to end" in (out / "report.html").read_text()


def test_mlflow_runs_a_registered_version(
    summary: dict[str, Any], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADLOOM_HOME", str(settings.home))  # whose catalogue has the product
    home.registry_with_base(settings)
    model = load_model(f"models:/{settings.mlflow.model_name}/2")
    request = pd.DataFrame(
        {
            "user_id": ["ann", "ann"],
            "product_id": ["running-shoes"] * 2,
            "seed": [3, 3],
            "history_titles": [[], []],
            "history_codes": [[], []],
        }
    )
    ads = pd.DataFrame(model.predict(request))
    assert ads.iloc[0].equals(ads.iloc[1])
    assert len(ads["picture_png"][0]) > 1_000


@pytest.mark.slow
def test_its_log_becomes_a_base_that_is_judged_on_what_it_held_out(
    summary: dict[str, Any], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADLOOM_HOME", str(settings.home))
    monkeypatch.setenv("SALT", "demo")  # with which both splits have users
    base, quick = str(settings.generator.path), "--steps 2 --batch 2 --heldout 2 --samples 0"

    def adloom(words: str, *more: str) -> dict[str, Any]:
        result = CliRunner().invoke(app, [*words.split(), *more])
        assert result.exit_code == 0, result.output
        told: dict[str, Any] = json.loads(result.stdout)
        return told

    made = adloom("dataset export --out data --heldout 0.4 --salt-from SALT --json")
    assert made["clicks"] > summary["clicks"]  # on the shop's own ads as well
    data = "--data data/data.jsonl --pictures data/pictures --out shards --device cpu --json"
    encoded = adloom(f"base encode {data}", "--base", base)
    assert (encoded["records"], encoded["left_out"]) == (made["records"], {})
    assert min(made["records"].values()) > 1
    train = f"base train --data shards --stage personal --out trained {quick} --json"
    assert adloom(train, "--base", base)["steps"] == 2
    judged = adloom("evaluate --data shards --base trained --records 2 --json")["overall"]
    assert judged["records"] == 2
    assert judged["arms"]["full"]["pbs"]["low"] <= judged["arms"]["full"]["pbs"]["high"]


def test_the_commands_move_the_champion(
    summary: dict[str, Any],
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADLOOM_HOME", str(settings.home))
    monkeypatch.setenv("ADLOOM_GENERATOR__PATH", str(settings.generator.path))

    def adloom(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, list(words))
        assert result.exit_code == code, result.output
        return result.output

    def champion() -> list[int]:
        rows = json.loads(adloom("versions", "--json"))
        return [row["version"] for row in rows if "champion" in row["aliases"]]

    assert "Version 2 is @champion" in adloom("promote", "2")
    assert champion() == [2]
    assert "Version 1 is @champion again" in adloom("rollback")
    assert champion() == [1]
    assert "no version 9" in adloom("promote", "9", code=2)
    assert "needs a broker" in adloom("consume", code=2)


def demo(out: Path, said: Path) -> None:
    """In a process of its own."""
    with said.open("w", buffering=1) as file:
        run_demo(tiny_settings(out, rounds={"max_examples": 24}), SMALL, out, Console(file=file))


@pytest.mark.long
def test_a_demo_that_was_killed_ends_in_the_same_figures(
    summary: dict[str, Any], out: Path, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    for stage in ("… Round 1: version 1 draws", "… Round 1: LoRA", None):
        process = processes.Process(target=demo, args=(tmp_path, said))
        process.start()
        if stage is not None:
            while not (said.exists() and stage in said.read_text()):
                assert process.is_alive()
                time.sleep(0.02)
            process.kill()
        process.join()
        assert process.exitcode == (0 if stage is None else -signal.SIGKILL)
    assert said.read_text().startswith("Going on after: round 1: show\n")
    found = json.loads((tmp_path / "summary.json").read_text())
    same = ("ads_served", "clicks", "events_produced", "events_consumed", "dead_letters", "drift")
    assert [found[name] for name in same] == [summary[name] for name in same]
    trained = ("version", "train_clicks", "heldout_clicks", "promoted", "trend_items")
    [one], [other] = found["rounds"], summary["rounds"]
    assert [one[name] for name in trained] == [other[name] for name in trained]
    ads = {path.name: path.read_bytes() for path in (tmp_path / "ads").iterdir()}
    assert ads == {path.name: path.read_bytes() for path in (out / "ads").iterdir()}


def test_the_summary_says_where_the_time_went(summary: dict[str, Any]) -> None:
    by_step = summary["seconds_by_step"]
    assert {"Starting broker, stores, registry and generator", "Writing the report"} <= set(by_step)
    assert "Round 1: LoRA learns from the clicks: judging" in by_step
    whole = {name: took for name, took in by_step.items() if "learns from the clicks: " not in name}
    assert 0 < sum(whole.values()) <= summary["seconds"] + 0.1


def test_a_wrong_setting_ends_the_command_with_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "adloom.toml").write_text("[serve]\nprot = 1\n")
    result = CliRunner().invoke(app, ["versions"])
    assert result.exit_code == 2
    assert "serve.prot: no such setting" in result.output
