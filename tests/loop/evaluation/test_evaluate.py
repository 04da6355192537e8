"""Evaluation arms differ in what the generator is told, and in nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from adloom.loop.commands.app import app
from adloom.loop.demo.shop.panel import draw_panel
from adloom.loop.demo.shop.perception import ScenePerception
from adloom.loop.evaluation.contact_sheet import WORDS, SheetRow, save_contact_sheet
from adloom.loop.evaluation.evaluate import ARMS, CONDITIONS, DRAWN, EvaluationPlan, Evaluator
from adloom.loop.evaluation.intervals import Figure, distance_interval, mean_intervals
from adloom.loop.evaluation.scores import Judge, ScoredAd
from adloom.models.quality.background import BackgroundEncoder
from adloom.models.settings import GeneratorSettings
from tests.tiny_model import TINY, tiny_generator, tiny_model

METRICS = {
    "pbs",
    "scene_match",
    "palette_match",
    "texture_match",
    "edge_energy",
    "tone_match",
    "true_title",
    "bleu",
    "rouge_l",
    "distance",
}
PLAN = EvaluationPlan(shoppers=3, clicks=8, sheet_rows=2)


@pytest.fixture(scope="module")
def judge() -> Judge:
    torch.manual_seed(0)
    return Judge(BackgroundEncoder().eval(), ScenePerception.fitted(renders_per_look=1))


@pytest.fixture(scope="module")
def evaluator(judge: Judge) -> Evaluator:
    settings = GeneratorSettings(history_items=TINY.history_items, batch_size=2)
    return Evaluator(tiny_generator(), judge, settings, PLAN)


def test_each_arm_tells_of_the_shopper_in_its_own_way(evaluator: Evaluator) -> None:
    panel = draw_panel(3, clicks=24, noise=0.0, seed=0)
    told = {arm: [evaluator.history(arm, panel, n) for n in range(3)] for arm in DRAWN}
    assert told["no_history"] == [(), (), ()]
    assert told["no_fine"] == told["full"]
    for number, shopper in enumerate(panel):
        assert set(told["full"][number]) <= set(shopper.history)
        assert set(told["random_history"][number]) <= set(shopper.history)
        assert set(told["other_shopper"][number]) <= set(panel[(number + 1) % 3].history)
        assert len(told["full"][number]) == TINY.history_items
    assert told["random_history"] != told["full"]
    again = [evaluator.history("random_history", panel, n) for n in range(3)]
    assert again == told["random_history"]


def test_representatives_are_nearer_to_what_is_wanted_than_random_ones(
    evaluator: Evaluator,
) -> None:
    panel = draw_panel(10, clicks=24, noise=0.0, seed=0)

    def share(arm: str) -> float:
        return float(
            np.mean(
                [
                    ad.look == shopper.wanted.look
                    for number, shopper in enumerate(panel)
                    for ad in evaluator.history(arm, panel, number)
                ]
            )
        )

    assert share("full") > share("random_history") + 0.05


@pytest.mark.slow
def test_every_arm_is_scored_in_every_condition(evaluator: Evaluator, tmp_path: Path) -> None:
    scores, rows = evaluator.run()
    assert set(scores) == set(CONDITIONS)
    for arms in scores.values():
        assert tuple(arms) == ARMS
        for figures in arms.values():
            assert set(figures) == METRICS
            for name, figure in figures.items():
                assert np.isfinite([figure.mean, figure.low, figure.high]).all()
                if name != "distance":
                    assert figure.low <= figure.mean + 1e-9
                    assert figure.mean <= figure.high + 1e-9
    for arm in ("no_history", "rendered"):
        assert scores["clean"][arm] == scores["noisy"][arm]
    for metric in ("texture_match", "edge_energy", "tone_match"):
        assert scores["clean"]["rendered"][metric].mean > 0.7
    assert scores["clean"]["full"]["edge_energy"].mean < 0.7
    save_contact_sheet(rows, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 7 * 200
        assert sheet.height > 2 * 200


def test_the_ad_that_was_clicked_scores_best(judge: Judge) -> None:
    wanted = [shopper.wanted for shopper in draw_panel(6, clicks=1, noise=0.0, seed=3)]
    pictures = [ad.picture(128) for ad in wanted]
    same = judge.scores(
        [
            ScoredAd(ad.title, ad.product.name, p, ad.background(512), ad, p)
            for ad, p in zip(wanted, pictures, strict=True)
        ]
    )
    shuffled = judge.scores(
        [
            ScoredAd(
                wanted[i - 1].title,
                ad.product.name,
                pictures[i - 1],
                wanted[i - 1].background(512),
                ad,
                pictures[i],
            )
            for i, ad in enumerate(wanted)
        ]
    )
    for metric in ("pbs", "tone_match", "bleu", "rouge_l", "true_title"):
        assert same[metric].mean == pytest.approx(1, abs=1e-4)
        assert shuffled[metric].mean < 1
    for metric in ("scene_match", "texture_match"):
        assert same[metric].mean >= shuffled[metric].mean
    assert same["edge_energy"] == Figure(1, 1, 1)


def test_a_title_is_judged_by_what_its_base_wants_of_it(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = tiny_generator()
    wants_words = generator.model.config.model_copy(update={"title_wants": "words"})
    monkeypatch.setattr(generator.model, "config", wants_words)
    monkeypatch.setattr("adloom.loop.evaluation.evaluate.ARMS", ("no_history",))
    plan = EvaluationPlan(shoppers=2, clicks=1, sheet_rows=0)
    scores, _ = Evaluator(generator, judge, GeneratorSettings(batch_size=2), plan).run()
    assert scores["clean"]["no_history"]["true_title"].mean == 1


def interval(values: np.ndarray) -> Figure:
    return mean_intervals({"value": values})["value"]


def test_intervals_hold_the_mean_and_shrink_with_more_shoppers() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.2, 400)
    few, many = interval(values[:20]), interval(values)
    for figure in (few, many):
        assert figure.low < figure.mean < figure.high
    assert many.high - many.low < few.high - few.low
    certain = interval(np.ones(3))
    assert (certain.low, certain.mean, certain.high) == (1, 1, 1)


def test_a_distance_has_a_range_around_it() -> None:
    points = np.random.default_rng(0).normal(size=(2, 40, 8)).astype(np.float32)
    points[1, :, 0] += 3
    unit = points / np.linalg.norm(points, axis=-1, keepdims=True)
    figure = distance_interval(unit[0], unit[1])
    assert figure.low < figure.mean < figure.high


def test_a_sheet_needs_a_row(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one"):
        save_contact_sheet([], tmp_path / "sheet.png")
    row = SheetRow("new", (), Image.new("RGBA", (9, 5), "red"), {})
    save_contact_sheet([row], tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").is_file()
    assert {"history", *ARMS} == WORDS.keys()


@pytest.mark.slow
def test_the_command_prints_json_and_writes_the_sheet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_model().save_pretrained(tmp_path / "model")
    BackgroundEncoder().save_pretrained(tmp_path / "pbs.safetensors")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADLOOM_GENERATOR__PATH", str(tmp_path / "model"))
    arguments = ["evaluate", "--shoppers", "2", "--sheet", "out/sheet.png", "--json"]
    missing = CliRunner().invoke(app, [*arguments, "--pbs", "none.safetensors"])
    assert missing.exit_code == 2
    found = CliRunner().invoke(app, [*arguments, "--pbs", "pbs.safetensors"])
    assert found.exit_code == 0, found.output
    scores = json.loads(found.stdout)
    assert set(scores["noisy"]["no_fine"]["pbs"]) == {"mean", "low", "high"}
    assert Path("out/sheet.png").is_file()
