"""LoRA rounds: they learn, can be cut off, and leave everything else as it was."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from models.ad_generator import AdGenerator, UnknownAdapter
from models.fine_tune import FineTuneResult, fine_tune, heldout_loss
from models.settings import FineTuneSettings
from tests.tiny_model import brief, examples, products, tiny_generator

TRAIN, HELDOUT = examples(6), examples(3, seed=50)
SETTINGS = FineTuneSettings(
    rank=4, alpha=8, learning_rate=3e-3, batch_size=3, max_steps=5, checkpoint_every=2
)


class CutOff(Exception):
    """Stands for a kill."""


def run(generator: AdGenerator, out: Path, **changes: object) -> FineTuneResult:
    settings = SETTINGS.model_copy(update=changes)
    return fine_tune(generator, TRAIN, HELDOUT, settings=settings, out=out)


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
        TRAIN,
        TRAIN,
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
        fine_tune(generator, TRAIN, HELDOUT, settings=SETTINGS, out=out, on_step=cut)
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
    second = fine_tune(generator, TRAIN, HELDOUT, settings=settings, out=tmp_path / "2", parent="1")
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
        fine_tune(generator, [], [], settings=SETTINGS, out=tmp_path / "round")
    with pytest.raises(ValueError, match="cannot overwrite its parent"):
        fine_tune(generator, TRAIN, [], settings=SETTINGS, out=tmp_path / "round", parent="round")
    with pytest.raises(UnknownAdapter):
        fine_tune(generator, TRAIN, [], settings=SETTINGS, out=tmp_path / "round", parent="no")
    assert math.isnan(heldout_loss(generator, [], 4))
