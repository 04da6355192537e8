"""A base learns from shards: at its defaults, in several processes, and after it was cut off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from adloom.models.ad_generator import AdGenerator
from adloom.models.config import AdGeneratorConfig
from adloom.models.training.base.average import MovingAverage
from adloom.models.training.base.finish import finish_base
from adloom.models.training.base.parameters import ADAPTER, prepare_for_training
from adloom.models.training.base.plan import BasePlan
from adloom.models.training.trainer import STATE
from tests.models.base_training import PLAN, clicked_shards, train_on
from tests.models.train_together import train_both_ways, train_calmly
from tests.tiny_model import brief, products, tiny_generator
from tests.together import launch_two

ZEROS = ("foreground.project.2.weight", "preference.fusion.layers.0.linear2.weight")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clicked_shards(tmp_path_factory.mktemp("clicked") / "data", tiny_generator())


def drawn(generator: AdGenerator, adapter: str | None) -> list[bytes]:
    drafts = generator.generate(
        [brief(product, 2) for product in products()[:2]], seeds=[1, 2], adapter=adapter
    )
    return [draft.title.encode() + draft.codes.tobytes() for draft in drafts]


def test_at_its_defaults_what_starts_from_zero_moves_and_the_loss_falls(
    data: Path, tmp_path: Path
) -> None:
    generator = tiny_generator()
    modules = generator.model.conditioning
    for name in ZEROS:
        torch.nn.init.zeros_(modules.get_parameter(name))
    changed = {"steps": 24, "batch": 1, "evaluate_every": 12, "checkpoint_every": 24}
    defaults = BasePlan(stage="personal").model_copy(update=changed)
    curve = train_on(data, defaults, tmp_path, generator)
    assert np.mean(curve.losses[-6:]) < np.mean(curve.losses[:6]) - 1
    assert curve.heldout[1][1] < curve.heldout[0][1]
    state = load_file(tmp_path / STATE)
    for name in ZEROS:
        moved = state[f"parameter.conditioning.{name}"]
        assert moved.square().mean().sqrt() > 5e-4  # at LoRA's rate it would be a third of that
    untouched = [w for name, w in state.items() if ".lora_B." in name and not w.any()]
    assert not untouched


def test_the_trained_base_draws_what_the_base_drew_with_what_it_learnt(
    data: Path, tmp_path: Path
) -> None:
    tiny_generator().model.save_pretrained(tmp_path / "base")
    generator = AdGenerator.from_pretrained(tmp_path / "base", "cpu")
    plan = PLAN.model_copy(update={"lora_rate": 3e-3, "steps": 2})
    train_on(data, plan, tmp_path, generator)
    finish_base(tmp_path / "base", tmp_path / STATE, plan, tmp_path / "run")
    finished = AdGenerator.from_pretrained(tmp_path / "run", "cpu")
    generator.model.eval()
    assert drawn(finished, None) == drawn(generator, ADAPTER)
    begun = AdGenerator.from_pretrained(tmp_path / "base", "cpu")
    assert drawn(finished, None) != drawn(begun, None)
    assert finished.codebook_name == generator.codebook_name
    assert AdGeneratorConfig.load(tmp_path / "run") == generator.model.config


@pytest.mark.slow
def test_two_processes_learn_what_one_does_by_ddp_and_by_fsdp(data: Path, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(data)
    train_calmly(tmp_path, "alone", accumulate=2)
    assert launch_two(train_both_ways, tmp_path) == [0, 0]
    alone = load_file(tmp_path / "alone" / STATE)
    for kind in ("ddp", "fsdp"):
        together = load_file(tmp_path / kind / STATE)
        assert alone.keys() == together.keys()
        for name, weight in alone.items():
            torch.testing.assert_close(together[name], weight, rtol=2e-3, atol=2e-5, msg=name)


def test_the_general_stage_leaves_alone_what_reads_histories() -> None:
    generator = tiny_generator()
    general = prepare_for_training(tiny_generator(), BasePlan(stage="general"))
    personal = prepare_for_training(generator, BasePlan(stage="personal", head_rate=1e-5))
    assert not any(".preference." in name for name in general)
    assert any(".preference." in name for name in personal)
    heads = ("janus.model.generation_head.", "janus.model.generation_aligner.")
    assert any(name.startswith(heads) for name in personal)
    learns = {n for n, p in generator.model.named_parameters() if p.requires_grad}
    assert learns == set(personal)


def test_an_average_follows_its_weights_and_takes_their_place_for_a_while() -> None:
    weights = {"w": torch.zeros(2)}
    average = MovingAverage(weights, 0.5)
    weights["w"].fill_(1.0)
    average.follow(1_000)
    with average.in_place():
        assert weights["w"].tolist() == [0.5, 0.5]
    assert weights["w"].tolist() == [1.0, 1.0]
    assert not MovingAverage(weights, 0.0).values
