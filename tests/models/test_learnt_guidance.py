"""A base that has learnt its guidance draws what twins would, without any."""

from __future__ import annotations

import copy
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from adloom.models.ad_generator import AdGenerator
from adloom.models.batching import BriefBatch, TargetBatch, batch_briefs, batch_targets
from adloom.models.conditioning import Conditioning
from adloom.models.engine import Engine
from adloom.models.engine.steps import FixedSteps
from adloom.models.generator import AdModel
from adloom.models.guidance import LearntGuidance
from adloom.models.sampling import Sampling
from adloom.models.settings import FineTuneSettings
from adloom.models.training.fine_tune import _trainer
from adloom.models.training.guidance import guidance_loss
from tests.models.plain_decoding import assert_drawn_as_the_model_says
from tests.tiny_model import brief, examples, products, tiny_model

HOW = Sampling(guidance=2.5, temperature=0.8, title_temperature=1.5)


def guided_model() -> AdModel:
    """The tiny model with a guidance that says something, whatever it is."""
    model = tiny_model()
    model.config = model.config.model_copy(update={"guidance": "learnt"})
    torch.manual_seed(3)
    guidance = LearntGuidance(model.width)
    for parameter in guidance.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.conditioning.guidance = guidance
    return model.eval()


def test_no_guidance_is_nothing_and_other_strengths_differ() -> None:
    guidance = guided_model().conditioning.guidance
    assert guidance is not None
    vectors = guidance(torch.tensor([1.0, 1.5, 3.0, 8.0]))
    assert not vectors[0].any()
    torch.testing.assert_close(guidance(torch.tensor([20.0])), vectors[3:])
    assert all(not torch.equal(a, b) for a, b in pairwise(vectors))
    assert not LearntGuidance(8)(torch.tensor([1.0, 4.0])).any()


def test_every_token_is_what_the_model_alone_would_draw_and_the_same_in_any_batch() -> None:
    generator = AdGenerator(guided_model(), rows=4)
    asks = [brief(product, number) for number, product in enumerate(products())]
    hows = [HOW.model_copy(update={"guidance": g}) for g in (1.0, 2.5, 6.0, 2.5, 1.0, 6.0)]
    started = [
        generator.start(ask, seeds=[number], sampling=how)
        for number, (ask, how) in enumerate(zip(asks, hows, strict=True))
    ]
    generator.finish(started)
    for number, (ask, how, future) in enumerate(zip(asks, hows, started, strict=True)):
        [drawn] = future.result()
        assert_drawn_as_the_model_says(generator.model, ask, number, drawn, how)
        [alone] = generator.candidates(ask, seeds=[number], sampling=how)
        assert alone.codes.tolist() == drawn.codes.tolist()
    assert generator.engine.copies == 1


def test_steps_of_fixed_shape_draw_the_same_whatever_is_beside() -> None:
    generator = AdGenerator(guided_model(), rows=4)
    steps = FixedSteps(torch.device("cpu"))
    generator._engine = Engine(generator.model, rows=4, dtype=torch.float32, steps=steps)
    asks = [brief(product, number) for number, product in enumerate(products())]
    together = generator.generate(asks, seeds=range(len(asks)), sampling=HOW)
    alone = [generator.generate([ask], seeds=[n], sampling=HOW)[0] for n, ask in enumerate(asks)]
    for one, other in zip(together, alone, strict=True):
        assert one.codes.tolist() == other.codes.tolist()


def test_it_is_kept_with_the_base_and_takes_less_memory(tmp_path: Path) -> None:
    model = guided_model()
    model.save_pretrained(tmp_path)
    again = AdModel.from_pretrained(tmp_path)
    assert again.config.guidance == "learnt"
    ask = brief(products()[0], 1)
    drawn = [AdGenerator(one).generate([ask], seeds=[5], sampling=HOW)[0] for one in (model, again)]
    assert drawn[0].codes.tolist() == drawn[1].codes.tolist()
    twins = AdGenerator(tiny_model()).engine.cache_bytes
    assert AdGenerator(again).engine.cache_bytes < twins


def batch() -> tuple[BriefBatch, TargetBatch]:
    model, clicked = tiny_model(), examples(6)
    briefs = batch_briefs([one.brief for one in clicked], model.tokenizer, model.config)
    return briefs, batch_targets(clicked, model.tokenizer, model.config)


def test_a_student_comes_to_tell_what_twins_tell_at_any_strength() -> None:
    torch.manual_seed(0)
    teacher, student = tiny_model().requires_grad_(False), tiny_model()
    student.conditioning.guidance = LearntGuidance(student.width)
    briefs, before = batch()
    strengths = torch.tensor([1.0, 3.0, 5.0, 6.0, 7.0, 8.0])

    def loss() -> torch.Tensor:
        return guidance_loss(student, teacher, briefs, before, strengths)

    with torch.no_grad():
        first = loss()
        # At strength 1 there is nothing to learn.
        assert guidance_loss(student, teacher, briefs, before, torch.ones(6)) < 1e-5
    optimizer = torch.optim.AdamW(student.parameters(), lr=2e-4)
    for _ in range(40):
        optimizer.zero_grad()
        last = loss()
        last.backward()
        optimizer.step()
    assert last < 0.5 * first
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_a_round_leaves_guidance_as_it_is() -> None:
    generator = AdGenerator(guided_model())
    generator.new_adapter("round", rank=2, alpha=4)
    generator.activate("round")
    modules: Conditioning = generator.model.conditioning
    before = copy.deepcopy(modules.state_dict())
    trainer = _trainer(generator, FineTuneSettings(), Path("nowhere"))
    names = [name for name in trainer._kept if "guidance" in name]
    assert names == []
    assert all(
        torch.equal(weight, before[name])
        for name, weight in modules.state_dict().items()
        if "guidance" in name
    )
    assert modules.guidance is not None
    with pytest.raises(RuntimeError, match="does not require grad"):
        modules.guidance(torch.tensor([2.0])).sum().backward()
