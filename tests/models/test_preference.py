"""Token-level selection and fusion of a history."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adloom.models.batching import batch_briefs
from adloom.models.config import AdGeneratorConfig
from adloom.models.preference import PreferenceEncoder, Selection, TokenSelector
from tests.tiny_model import TINY, brief, products, tiny_model

WIDTH = 32
CONFIG = AdGeneratorConfig(history_items=4, history_grid=2, history_title_tokens=6)


def selector(*, training: bool = False) -> TokenSelector:
    torch.manual_seed(0)
    return TokenSelector(WIDTH, CONFIG).train(training)


def history(valid: list[int], tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random tokens of rows of which so many are valid, garbage in the padding."""
    noise = torch.randn(len(valid), tokens, WIDTH, generator=torch.Generator().manual_seed(1))
    mask = torch.arange(tokens) < torch.tensor(valid)[:, None]
    return noise.masked_fill(~mask[..., None], 7.0), mask


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 24), min_size=1, max_size=4), st.booleans())
def test_the_wanted_share_is_kept_in_reading_order(counts: list[int], training: bool) -> None:
    tokens, mask = history(counts, 24)
    kept = selector(training=training)(tokens, mask)
    assert kept.valid.sum(1).tolist() == [math.ceil(0.4 * count) for count in counts]
    for row, count in enumerate(counts):
        index = kept.index[row][kept.valid[row]].tolist()
        assert index == sorted(set(index))
        assert all(position < count for position in index)
    assert torch.all(kept.tokens[~kept.valid] == 0)
    assert torch.all(kept.scores[~mask] == 0)


def test_the_best_tokens_are_kept_unchanged_at_inference() -> None:
    tokens, mask = history([20], 20)
    kept = selector()(tokens, mask)
    best = kept.scores[0].topk(8).indices.sort().values
    assert kept.index[0].tolist() == best.tolist()
    assert torch.equal(kept.tokens[0], tokens[0, best])


def test_training_explores_and_passes_a_gradient_straight_through() -> None:
    tokens, mask = history([20, 9], 20)
    chooser = selector(training=True)
    first, second = chooser(tokens, mask), chooser(tokens, mask)
    assert not torch.equal(first.index, second.index)
    kept = tokens.gather(1, first.index[..., None].expand(-1, -1, WIDTH))
    assert torch.allclose(first.tokens, kept * first.valid[..., None])  # the value stays
    first.tokens.square().sum().backward()
    gradients = [p.grad for p in chooser.encoder.parameters()]
    assert all(g is not None and torch.isfinite(g).all() for g in gradients)
    assert any(g is not None and g.abs().sum() > 0 for g in gradients)


@torch.inference_mode()
def test_padding_never_counts() -> None:
    """The same history in a longer batch gives the same preference."""
    torch.manual_seed(0)
    encoder = PreferenceEncoder(WIDTH, CONFIG).eval()
    pictures, picture_valid = history([8, 16], 16)
    titles, title_valid = history([9, 24], 24)
    long = encoder(pictures, picture_valid, titles, title_valid)
    short = encoder(pictures[:1, :8], picture_valid[:1, :8], titles[:1, :12], title_valid[:1, :12])
    pairs: list[tuple[torch.Tensor, torch.Tensor, Selection, Selection]] = [
        (long.pictures, short.pictures, long.picture_selection, short.picture_selection),
        (long.titles, short.titles, long.title_selection, short.title_selection),
    ]
    for fused, fused_short, chosen, chosen_short in pairs:
        assert torch.allclose(
            fused[0][chosen.valid[0]], fused_short[0][chosen_short.valid[0]], atol=1e-5
        )
        width = chosen_short.scores.shape[1]
        assert torch.allclose(chosen.scores[0, :width], chosen_short.scores[0], atol=1e-5)


@torch.inference_mode()
def test_an_empty_history_gives_no_token_and_no_nan() -> None:
    torch.manual_seed(0)
    encoder = PreferenceEncoder(WIDTH, CONFIG).eval()
    preference = encoder(*history([0, 3], 16), *history([0, 4], 24))
    assert not preference.picture_selection.valid[0].any()
    assert not preference.title_selection.valid[0].any()
    assert torch.isfinite(preference.pictures).all()
    assert torch.isfinite(preference.titles).all()


@torch.inference_mode()
def test_the_prompt_of_a_brief_is_that_of_a_longer_batch() -> None:
    model = tiny_model()
    short, long = brief(products()[0], 1), brief(products()[1], 4)
    prompts = []
    for briefs in ([short], [short, long]):
        embeds, valid = model.prompt(batch_briefs(briefs, model.tokenizer, model.config))
        prompts.append(embeds[0, valid[0]])
    assert torch.allclose(prompts[0], prompts[1], atol=1e-5)


def test_a_history_is_pooled_to_its_tokens() -> None:
    model = tiny_model()
    taste = model.prefer(batch_briefs([brief(products()[0], 3)], model.tokenizer, model.config))
    assert taste.picture_selection.scores.shape == (1, 3 * TINY.history_picture_tokens)
    assert taste.title_selection.scores.shape == (1, 3 * TINY.history_title_tokens)
    assert taste.picture_selection.valid.sum().item() == math.ceil(0.4 * 12)


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_the_share_is_a_setting(share: float) -> None:
    torch.manual_seed(0)
    chooser = TokenSelector(WIDTH, CONFIG.model_copy(update={"keep": share})).eval()
    assert chooser(*history([10], 10)).valid.sum().item() == 10 * share
