"""An example counts as much as its weight says, and one of weight 1 as ever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adloom.models.ad_generator import AdGenerator
from adloom.models.batching import batch_briefs, batch_targets
from adloom.models.brief import Example
from adloom.models.settings import FineTuneSettings
from adloom.models.training.click_lessons import TrainingClicks, click_lessons
from adloom.models.training.example_loss import example_loss, heldout_loss
from adloom.models.training.preference_loss import PreferencePair, preference_loss
from adloom.models.training.trend_choice import _foretold
from tests.tiny_model import examples, tiny_generator

EXAMPLES = examples(4)
WEIGHTS = (0.5, 2.0, 1.25, 0.25)


@pytest.fixture(scope="module")
def generator() -> AdGenerator:
    return tiny_generator()


def weighted(weights: Sequence[float]) -> list[Example]:
    return [replace(one, weight=weight) for one, weight in zip(EXAMPLES, weights, strict=True)]


def loss(generator: AdGenerator, of: Sequence[Example], rows: Sequence[int] | None = None) -> float:
    with torch.inference_mode():
        return float(example_loss(generator, of, rows=rows))


def title_tokens(generator: AdGenerator, example: Example) -> int:
    model = generator.model
    titles = batch_targets([example], model.tokenizer, model.config).titles
    return int((titles != model.tokenizer.pad_token_id).sum())


def test_the_loss_of_weights_of_1_is_the_loss_without(generator: AdGenerator) -> None:
    title, picture = parts(generator, EXAMPLES)
    assert loss(generator, EXAMPLES) == np.float32(title) + np.float32(picture)
    ones = parts(generator, EXAMPLES, torch.ones(4))
    assert ones == (title, picture)


def parts(
    generator: AdGenerator, of: Sequence[Example], weights: torch.Tensor | None = None
) -> tuple[float, float]:
    model = generator.model
    told = [generator.told(e.brief, generator.active, besides=e.title) for e in of]
    with torch.inference_mode():
        title, picture = model(
            batch_briefs(told, model.tokenizer, model.config),
            batch_targets(of, model.tokenizer, model.config),
            weights=weights,
        )
    return float(title), float(picture)


def test_each_example_adds_its_loss_times_its_weight(generator: AdGenerator) -> None:
    """By hand: titles share the tokens of the batch, pictures count alike."""
    alone = [parts(generator, [one]) for one in EXAMPLES]
    tokens = np.array([title_tokens(generator, one) for one in EXAMPLES])
    titles, pictures = (np.array(side) for side in zip(*alone, strict=True))
    weights = np.array(WEIGHTS)
    expected = (weights * titles * tokens).sum() / tokens.sum() + (weights * pictures).mean()
    assert loss(generator, weighted(WEIGHTS)) == pytest.approx(expected, rel=1e-4)


@settings(deadline=None, max_examples=8)
@given(st.lists(st.floats(0, 10), min_size=4, max_size=4), st.integers(1, 4))
def test_parts_of_a_batch_add_up_to_its_loss(weights: list[float], processes: int) -> None:
    generator, of = tiny_generator(), weighted(weights)
    shares = [loss(generator, of, list(range(n, 4, processes))) for n in range(processes)]
    assert sum(shares) == pytest.approx(loss(generator, of), rel=1e-4, abs=1e-5)


def test_twice_the_weight_is_twice_the_gradient(generator: AdGenerator) -> None:
    def gradient(weight: float) -> torch.Tensor:
        head = generator.model.janus.lm_head.weight
        head.requires_grad_(True)
        lesson = replace(EXAMPLES[0], weight=weight)
        (found,) = torch.autograd.grad(example_loss(generator, [lesson]), head)
        return found

    torch.testing.assert_close(gradient(2.0), 2 * gradient(1.0))


def test_heldout_ads_and_trends_count_by_weight(generator: AdGenerator) -> None:
    alone = np.array([heldout_loss(generator, [one], 4) for one in EXAMPLES])
    found = heldout_loss(generator, weighted(WEIGHTS), 1)
    assert found == pytest.approx((np.array(WEIGHTS) * alone).mean(), rel=1e-4)
    told = _foretold(generator, EXAMPLES, 4)
    assert _foretold(generator, weighted([1] * 4), 4).tolist() == told.tolist()
    assert _foretold(generator, weighted(WEIGHTS), 4) == pytest.approx(told * WEIGHTS)


def test_a_pair_counts_as_much_as_its_left_ad_was_likely_seen(generator: AdGenerator) -> None:
    def of(*weights: float) -> float:
        pairs = [
            PreferencePair(EXAMPLES[n], EXAMPLES[n + 2], weight) for n, weight in enumerate(weights)
        ]
        with torch.inference_mode():
            return float(preference_loss(generator.model, pairs, [0.0, 0.1], 2.0, [0, 1]))

    assert of(0.25, 0.5) == pytest.approx(0.25 * of(1, 0) + 0.5 * of(0, 1), rel=1e-5)
    assert of(0, 0) == 0


def test_weights_reach_the_lessons_of_a_round() -> None:
    pair = PreferencePair(EXAMPLES[0], EXAMPLES[1], 0.25)
    clicks = TrainingClicks(weighted(WEIGHTS), pairs=[pair])
    lessons = click_lessons(tiny_generator(), clicks, FineTuneSettings(batch_size=4))
    assert [told.weight for told, _ in lessons.pairs] == [0.25]
    assert [one.weight for one in lessons.clicks.clicked] == list(WEIGHTS)
