"""What is planned of memory is what a training step and the engine then take, by part."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from adloom.models.ad_generator import AdGenerator
from adloom.models.bare_model import BaseShape
from adloom.models.brief import AdBrief, Example, HistoryAd
from adloom.models.engine import Engine
from adloom.models.engine.steps import FixedSteps
from adloom.models.janus_pro import load_janus
from adloom.models.serving_footprint import serving_bytes
from adloom.models.training.base.average import MovingAverage
from adloom.models.training.base.footprint import training_bytes
from adloom.models.training.base.parameters import ADAPTER, prepare_for_training, trained
from adloom.models.training.base.plan import BasePlan
from adloom.models.training.example_loss import example_loss
from tests.models.public_janus import public_checkpoint, small_dinov2
from tests.tiny_model import products

ADS = 2
LONG = "fresh morning coffee " * 60  # as many tokens as are read, wherever it stands


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("public")
    return public_checkpoint(folder / "janus"), small_dinov2(folder / "dinov2")


@pytest.fixture
def generator(checkpoints: tuple[Path, Path]) -> AdGenerator:
    janus, dinov2 = checkpoints
    return AdGenerator(load_janus(janus, dinov2=dinov2), rows=2, dtype=torch.bfloat16)


def shape_of(generator: AdGenerator) -> BaseShape:
    model = generator.model
    assert model.dinov2 is not None
    return BaseShape(model.janus.config, model.config, model.dinov2.backbone.config)


def size(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def clicked(generator: AdGenerator, number: int) -> Example:
    """An ad whose shopper clicked on as many others as are read."""
    config, rng = generator.model.config, np.random.default_rng(number)

    def codes(tokens: int) -> Any:
        return rng.integers(0, 128, tokens).astype(np.int16)

    past = tuple(HistoryAd(LONG, codes(config.history_codes)) for _ in range(config.history_items))
    product = products()[0]
    brief = AdBrief(LONG, (), product.cutout(), past)
    return Example(brief, LONG, codes(config.image_tokens))


def measured(generator: AdGenerator, plan: BasePlan) -> dict[str, int]:
    """Bytes of what a real step holds, each storage once."""
    model = generator.model
    weights = trained(model, prepare_for_training(generator, plan))
    optimizer = torch.optim.AdamW(weights.values())
    average = MovingAverage(weights, plan.ema)
    known = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in known:
            kept.setdefault(place, tensor.detach())
        return tensor

    examples = [clicked(generator, number) for number in range(plan.batch)]
    model.train()
    with saved_tensors_hooks(keep, lambda tensor: tensor), torch.autocast("cpu", torch.bfloat16):
        loss = example_loss(generator, examples)
    held = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    loss.backward()
    gradients = size(w.grad for w in weights.values() if w.grad is not None)
    optimizer.step()
    moments = [m for state in optimizer.state.values() for m in state.values()]
    lora = [w for name, w in model.named_parameters() if ".lora_" in name]
    of_both = (generator.conditioning(of) for of in (None, ADAPTER))
    modules = {weight for conditioning in of_both for weight in conditioning.parameters()}
    assert model.dinov2 is not None
    return {
        "janus": size(model.janus.parameters()) - size(lora),
        "lora": size(lora),
        "modules": size(modules),
        "dinov2": size(model.dinov2.parameters()),
        "gradients": gradients,
        "optimiser moments": size(moments),
        "averaged weights": size(average.values.values()),
        "kept for backward": held,
    }


@pytest.mark.parametrize("stage", ["general", "personal"])
@pytest.mark.parametrize("checkpointing", [False, True], ids=["kept", "computed twice"])
def test_a_step_takes_what_was_planned(
    stage: Any, checkpointing: bool, generator: AdGenerator
) -> None:
    plan = BasePlan(stage=stage, batch=ADS, ema=0.9, checkpointing=checkpointing)
    planned = training_bytes(shape_of(generator), plan, 1, "ddp")
    planned.pop("a layer computed anew", 0)  # is there only while backward runs
    planned["kept for backward"] = planned.pop("activations") + planned.pop("logits")
    assert planned == pytest.approx(measured(generator, plan), rel=0.1)


def test_logits_are_told_apart_and_grow_with_the_batch(generator: AdGenerator) -> None:
    shape = shape_of(generator)
    one, three = (
        training_bytes(shape, BasePlan(stage="personal", batch=ads), 1, "ddp") for ads in (1, 3)
    )
    config = generator.model.config
    assert one["logits"] > 4 * config.image_tokens * 128
    assert three["logits"] == 3 * one["logits"]
    assert three["activations"] > 2.5 * one["activations"]
    assert three["gradients"] == one["gradients"]


def test_shared_out_a_gpu_has_its_part(generator: AdGenerator) -> None:
    shape, plan = shape_of(generator), BasePlan(stage="personal", batch=1)
    alone, four = (training_bytes(shape, plan, n, "fsdp") for n in (1, 4))
    for part in ("janus", "modules", "gradients", "optimiser moments"):
        assert four[part] == alone[part] // 4
    assert four["activations"] == alone["activations"]
    assert four["weights gathered"] > size(generator.model.conditioning.parameters())


def test_the_engine_takes_what_was_planned(generator: AdGenerator) -> None:
    planned = serving_bytes(shape_of(generator), rows=2, adapters=1, rank=4)
    model, dtype = generator.model, generator.engine.weights.dtype
    engine = Engine(model, rows=2, dtype=dtype, steps=FixedSteps(model.device))
    assert engine.weights.shared
    assert planned["janus"] == size(model.janus.parameters())
    assert planned["keys and values"] == engine.cache_bytes
    assert planned["embedded codes"] == engine.weights.embedded_codes.nbytes
    assert planned["picture decoder"] == engine._picture_decoder.bytes
    noise = engine._pictures._noise.bytes + engine._titles._noise.bytes
    held = noise + engine._pictures._guided.nbytes + engine._pictures._foreground.nbytes
    assert planned["logits and foregrounds"] == pytest.approx(held, rel=0.1)
    generator.new_adapter("one", rank=4, alpha=4)
    lora = size(generator.lora_parameters("one").values())
    modules = size(generator.conditioning("one").parameters())
    assert planned["adapters"] > 2 * lora + modules
