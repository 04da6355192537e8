"""Foreground perception as in the paper: DINOv2 learns too, each place has its own MLP."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import Dinov2Config, Dinov2Model

from adloom.models.ad_generator import AdGenerator
from adloom.models.adapter_files import UnfitAdapter
from adloom.models.batching import batch_briefs
from adloom.models.foreground import ForegroundEncoder
from adloom.models.generator import AdModel
from adloom.models.masks import causal_mask, count_positions
from adloom.models.sampling import Sampling
from adloom.models.settings import FineTuneSettings
from adloom.models.training.click_lessons import TrainingClicks
from adloom.models.training.example_loss import example_loss
from adloom.models.training.fine_tune import fine_tune
from tests.models.plain_decoding import assert_drawn_as_the_model_says
from tests.tiny_model import TINY, brief, examples, products, tiny_generator, tiny_model

ASK = brief(products()[0], 2)


@pytest.fixture(scope="module")
def model() -> AdModel:
    """The tiny model with DINOv2 and an MLP before every second of its six layers."""
    tiny = tiny_model()
    torch.manual_seed(2)
    sizes = Dinov2Config(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=56)
    config = TINY.model_copy(update={"foreground": "dinov2", "foreground_mlps": "each"})
    model = AdModel(tiny.janus, tiny.tokenizer, config, Dinov2Model(sizes))
    with torch.no_grad():
        for parameter in model.conditioning.foreground.parameters():
            parameter.normal_(std=0.2)
    return model.eval()


def test_each_place_adds_its_own(model: AdModel) -> None:
    batch = batch_briefs([ASK], model.tokenizer, model.config)
    embeds = torch.randn(1, 3 + TINY.image_tokens, model.width)
    valid = torch.ones(embeds.shape[:2], dtype=torch.bool)
    layers = model.janus.model.language_model.layers
    fed: list[Tensor] = []
    left = [embeds]
    hooks = [layer.register_forward_pre_hook(lambda _, x: fed.append(x[0])) for layer in layers]
    hooks += [layer.register_forward_hook(lambda *_: left.append(_[2])) for layer in layers]
    with torch.inference_mode():
        seen = model.perceive(batch.cutouts)
        model.backbone(embeds, causal_mask(valid), count_positions(valid), foreground=seen)
    for hook in hooks:
        hook.remove()
    added = [x - before for x, before in zip(fed, left, strict=False)]
    assert len(seen) == 3
    for place, own in enumerate(seen):
        assert torch.allclose(added[2 * place][:, 3:], own, atol=1e-5)
        assert not added[2 * place][:, :3].any()
        assert not added[2 * place + 1].any()
    assert all((seen[a] - seen[b]).abs().mean() > 0.1 for a, b in ((0, 1), (1, 2), (0, 2)))


def test_the_engine_adds_what_the_model_adds(model: AdModel) -> None:
    how = Sampling(guidance=2.5, temperature=0.8)
    generator = AdGenerator(model, dtype=torch.float32)
    asks = [brief(products()[n], n) for n in range(3)]
    started = [generator.start(ask, seeds=[n], sampling=how) for n, ask in enumerate(asks)]
    generator.finish(started)
    for seed, (ask, future) in enumerate(zip(asks, started, strict=True)):
        assert_drawn_as_the_model_says(model, ask, seed, future.result()[0], how)


def test_dinov2_learns_with_the_rest_and_rests_where_adapters_learn(
    model: AdModel, tmp_path: Path
) -> None:
    generator = AdGenerator(model)
    assert model.dinov2 is not None
    example_loss(generator, examples(2)).backward()
    gradients = {name: p.grad for name, p in model.dinov2.named_parameters()}
    reached = [name for name, found in gradients.items() if found is not None and found.any()]
    model.zero_grad()
    assert len(reached) == len(gradients) - 1  # only pictures with holes have mask tokens
    before = {name: p.detach().clone() for name, p in model.dinov2.named_parameters()}
    settings = FineTuneSettings(rank=2, batch_size=2, max_steps=2, evaluate_every=2)
    fine_tune(generator, TrainingClicks(examples(2)), settings=settings, out=tmp_path / "round")
    for name, parameter in model.dinov2.named_parameters():
        assert torch.equal(parameter, before[name])
        assert parameter.grad is None
    generator.drop_adapter("round")
    model.requires_grad_(True)


def test_the_modules_are_saved_with_the_base_and_with_its_adapters(
    model: AdModel, tmp_path: Path
) -> None:
    generator = AdGenerator(model)
    generator.new_adapter("one", rank=2, alpha=4)
    with torch.no_grad():
        for parameter in generator.conditioning("one").foreground.parameters():
            parameter.mul_(1.5)
    bare, adapted = (generator.generate([ASK], seeds=[3], adapter=by)[0] for by in (None, "one"))
    generator.save_adapter("one", tmp_path / "one")
    generator.drop_adapter("one")
    model.save_pretrained(tmp_path / "base")
    loaded = AdGenerator.from_pretrained(tmp_path / "base", device="cpu")
    loaded.load_adapter("one", tmp_path / "one")
    assert loaded.base_name == generator.base_name
    for by, wanted in ((None, bare), ("one", adapted)):
        found = loaded.generate([ASK], seeds=[3], adapter=by)[0]
        assert found.title == wanted.title
        assert np.array_equal(found.codes, wanted.codes)
    assert not np.array_equal(bare.codes, adapted.codes)
    with pytest.raises(UnfitAdapter, match="it was trained on the base"):
        tiny_generator().load_adapter("one", tmp_path / "one")
    with torch.no_grad():
        next(loaded.model.dinov2.parameters()).add_(1)  # type: ignore[union-attr]
    assert AdGenerator(loaded.model).base_name != generator.base_name


def test_a_picture_is_dropped_at_all_places_or_at_none() -> None:
    encoder = ForegroundEncoder(16, grid=4, dropout=0.5, mlps=3).train()
    with torch.no_grad():
        for parameter in encoder.project.parameters():
            parameter.normal_()
    torch.manual_seed(0)
    kept = encoder(torch.rand(32, 3, 32, 32)).abs().amax(dim=(2, 3)) > 0
    assert 4 < kept[0].sum() < 28
    assert (kept == kept[0]).all()
