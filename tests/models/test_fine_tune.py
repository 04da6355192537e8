"""LoRA rounds: they learn, can be cut off, and leave everything else as it was."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from adloom.models.ad_generator import AdGenerator
from adloom.models.adapters import UnknownAdapter
from adloom.models.settings import FineTuneSettings
from adloom.models.training.click_lessons import TrainingClicks
from adloom.models.training.example_loss import heldout_loss
from adloom.models.training.fine_tune import FineTuneResult, fine_tune
from adloom.models.training.preference_loss import PreferencePair, margins, reference_margins
from tests.tiny_model import brief, examples, products, tiny_generator

TRAIN, HELDOUT = examples(6), examples(3, seed=50)
CLICKS = TrainingClicks(TRAIN, heldout=HELDOUT)
SETTINGS = FineTuneSettings(
    rank=4,
    alpha=8,
    learning_rate=3e-3,
    batch_size=3,
    max_steps=5,
    checkpoint_every=2,
    evaluate_every=2,
)


class CutOff(Exception):
    """Stands for a kill."""


def run(generator: AdGenerator, out: Path, **changes: object) -> FineTuneResult:
    settings = SETTINGS.model_copy(update=changes)
    return fine_tune(generator, CLICKS, settings=settings, out=out)


def drawn(generator: AdGenerator, adapter: str | None) -> bytes:
    draft = generator.generate([brief(products()[0], 2)], seeds=[1], adapter=adapter)[0]
    return draft.title.encode() + draft.codes.tobytes()


def test_a_round_learns_and_writes_safetensors(tmp_path: Path) -> None:
    generator = tiny_generator()
    settings = SETTINGS.model_copy(update={"max_steps": 12, "learning_rate": 1e-2})
    steps: list[tuple[int, float]] = []
    bare = drawn(generator, None)
    result = fine_tune(
        generator,
        TrainingClicks(TRAIN, heldout=TRAIN),
        settings=settings,
        out=tmp_path / "round-1",
        on_step=lambda step, loss: steps.append((step, loss)),
    )
    assert result.heldout_after < result.heldout_before - 0.1
    assert np.mean(result.losses[-3:]) < np.mean(result.losses[:3])
    assert steps == list(enumerate(result.losses, start=1))
    assert result.steps == 12
    files = {path.name for path in (tmp_path / "round-1").rglob("*") if path.is_file()}
    assert {Path(name).suffix for name in files} == {".safetensors", ".json"}
    assert generator.active == "round-1"
    assert not generator.model.training
    assert drawn(generator, None) == bare
    fresh = tiny_generator()
    fresh.load_adapter("anew", result.adapter)
    assert drawn(fresh, "anew") == drawn(generator, "round-1")
    fresh.activate("anew")
    assert heldout_loss(fresh, TRAIN, 3) == pytest.approx(result.heldout_after, rel=1e-5)


def test_a_round_that_was_cut_off_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    unbroken = run(tiny_generator(), tmp_path / "unbroken" / "round")

    def cut(step: int, loss: float) -> None:
        if step == 3:
            raise CutOff

    generator = tiny_generator()
    generator.new_adapter("other", rank=2, alpha=4)
    generator.activate("other")
    bare = drawn(generator, None)
    out = tmp_path / "broken" / "round"
    generator.activate("other")
    with pytest.raises(CutOff):
        fine_tune(generator, CLICKS, settings=SETTINGS, out=out, on_step=cut)
    assert generator.adapters == ("other",)
    assert generator.active == "other"
    assert not generator.model.training
    assert drawn(generator, None) == bare
    torch.manual_seed(99)  # a new process has other luck
    resumed = run(tiny_generator(), out)
    assert resumed.losses == pytest.approx(unbroken.losses, rel=1e-4)
    assert resumed.steps == unbroken.steps == 5
    assert resumed.heldout_after == pytest.approx(unbroken.heldout_after, rel=1e-4)


def test_a_child_starts_from_its_parent_and_leaves_it_alone(tmp_path: Path) -> None:
    generator = tiny_generator()
    first = run(generator, tmp_path / "1")
    parent = drawn(generator, "1")
    bare = drawn(generator, None)
    weights = {k: w.clone() for k, w in generator.lora_parameters("1").items()}
    settings = SETTINGS.model_copy(update={"rank": 16})  # a child keeps its parent's
    second = fine_tune(generator, CLICKS, settings=settings, out=tmp_path / "2", parent="1")
    assert second.heldout_before == pytest.approx(first.heldout_after, rel=1e-5)
    assert drawn(generator, "1") == parent
    assert drawn(generator, None) == bare
    for key, weight in generator.lora_parameters("1").items():
        assert torch.equal(weight, weights[key])
        assert generator.lora_parameters("2")[key].shape == weight.shape
        assert not torch.equal(generator.lora_parameters("2")[key], weight)


def test_a_round_leaves_the_random_numbers_of_others_alone(tmp_path: Path) -> None:
    generator = tiny_generator()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run(generator, tmp_path / "round", max_steps=1)
    assert torch.equal(torch.rand(3), expected)


def test_time_bounds_a_round(tmp_path: Path) -> None:
    result = run(tiny_generator(), tmp_path / "round", max_seconds=1e-9)
    assert result.steps == 0
    assert result.heldout_after == pytest.approx(result.heldout_before, rel=1e-5)


def test_what_cannot_be_trained_says_why(tmp_path: Path) -> None:
    generator = tiny_generator()
    with pytest.raises(ValueError, match="no clicked ads to train on"):
        fine_tune(generator, TrainingClicks([]), settings=SETTINGS, out=tmp_path / "round")
    with pytest.raises(ValueError, match="cannot overwrite its parent"):
        fine_tune(
            generator,
            TrainingClicks(TRAIN),
            settings=SETTINGS,
            out=tmp_path / "round",
            parent="round",
        )
    with pytest.raises(UnknownAdapter):
        fine_tune(
            generator, TrainingClicks(TRAIN), settings=SETTINGS, out=tmp_path / "round", parent="no"
        )
    assert math.isnan(heldout_loss(generator, [], 4))


def test_pairs_teach_to_prefer_what_was_clicked(tmp_path: Path) -> None:
    generator = tiny_generator()
    # The same brief twice, so that only the preference tells which of the two ads is wanted.
    brief_of = TRAIN[0].brief
    pairs = [
        PreferencePair(replace(TRAIN[n], brief=brief_of), replace(TRAIN[n + 3], brief=brief_of))
        for n in range(3)
    ]
    clicks = TrainingClicks([pair.unclicked for pair in pairs], pairs=pairs)
    moved = {}
    for weight in (0.0, 4.0):
        settings = SETTINGS.model_copy(update={"max_steps": 12, "preference_weight": weight})
        generator.activate(None)
        before = reference_margins(generator.model, pairs, 2)
        fine_tune(generator, clicks, settings=settings, out=tmp_path / f"weight-{weight:.0f}")
        moved[weight] = margins(generator.model, pairs).mean().item() - float(np.mean(before))
    assert moved[4.0] > 0 > moved[0.0]


def test_training_ends_when_heldout_clicks_get_no_better_and_keeps_the_best(
    tmp_path: Path,
) -> None:
    generator = tiny_generator()
    # A rate at which anything is forgotten at once.
    result = run(
        generator,
        tmp_path / "round",
        learning_rate=0.3,
        max_steps=60,
        evaluate_every=1,
        patience=4,
        checkpoint_every=50,
    )
    assert result.steps == result.best_step + 4 < 60
    fresh = tiny_generator()
    fresh.load_adapter("best", result.adapter)
    fresh.activate("best")
    assert heldout_loss(fresh, HELDOUT, 3) == pytest.approx(result.heldout_after, rel=1e-5)


def test_earlier_clicks_take_their_share_of_a_batch(tmp_path: Path) -> None:
    clicks = TrainingClicks(TRAIN[:1], replay=examples(4, seed=90), heldout=HELDOUT)
    settings = SETTINGS.model_copy(update={"replay_share": 0.5, "batch_size": 4})
    alone = fine_tune(
        tiny_generator(), TrainingClicks(TRAIN[:1]), settings=settings, out=tmp_path / "alone"
    )
    mixed = fine_tune(tiny_generator(), clicks, settings=settings, out=tmp_path / "mixed")
    assert mixed.losses != alone.losses
