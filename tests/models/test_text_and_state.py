"""Tokens of the shop's words, padded briefs, and training state on disk."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from adloom.loop.demo.pretraining.generator import new_model
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.copywriting import TONES, write_title
from adloom.models.batching import batch_briefs, batch_targets, encode_text
from adloom.models.brief import AdBrief
from adloom.models.config import AdGeneratorConfig
from adloom.models.prompts.instructions import instruction
from adloom.models.training.checkpoint import load_state, save_state
from tests.tiny_model import TINY, brief, examples, products, tiny_model


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    """The demo model's tokenizer, as it comes back from disk."""
    folder = tmp_path_factory.mktemp("tokenizer")
    new_model(0).tokenizer.save_pretrained(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def test_every_title_of_the_shop_survives_its_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    rng = random.Random(7)
    titles = [write_title(p, t, rng=rng) for p in load_catalog().values() for t in TONES]
    rows = encode_text(tokenizer, titles, AdGeneratorConfig().title_tokens, end=True)
    back = tokenizer.batch_decode(rows, skip_special_tokens=True)
    assert back == titles
    assert (rows == tokenizer.eos_token_id).sum(1).eq(1).all()


def test_every_instruction_of_the_shop_fits(tokenizer: PreTrainedTokenizerFast) -> None:
    length = AdGeneratorConfig().prompt_tokens
    for product in load_catalog().values():
        text = instruction(AdBrief(product.name, product.selling_points, product.cutout()))
        assert len(tokenizer.encode(text, add_special_tokens=False)) <= length


def test_special_tokens_have_the_ids_that_the_model_is_made_with(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    assert [tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id] == [0, 1, 2]
    ids = tokenizer.convert_tokens_to_ids(
        ["<begin_of_image>", "<end_of_image>", "<image_placeholder>"]
    )
    assert ids == [3, 4, 5]


def test_any_text_can_be_written(tokenizer: PreTrainedTokenizerFast) -> None:
    text = "Größe 42 — für 5 €, 走れ! 🏃"
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_briefs_are_padded_at_the_end() -> None:
    model = tiny_model()
    briefs = [brief(products()[0], 1), brief(products()[1], 3), brief(products()[2], 0)]
    batch = batch_briefs(briefs, model.tokenizer, TINY)
    assert batch.history_valid.tolist() == [
        [True, False, False],
        [True, True, True],
        [False, False, False],
    ]
    assert batch.prompt.shape == (3, TINY.prompt_tokens)
    assert batch.history_codes.shape == (3, 3, TINY.image_tokens)
    assert batch.history_titles.shape == (3, 3, TINY.history_title_tokens)
    assert batch.cutouts.shape == (3, 3, TINY.picture_size, TINY.picture_size)
    assert (batch.history_titles[0, 1:] == model.tokenizer.pad_token_id).all()
    assert batch.history_codes[1, 2].tolist() == briefs[1].history[2].codes.tolist()


def test_a_target_too_long_is_cut_and_still_ends() -> None:
    model = tiny_model()
    targets = batch_targets(examples(4), model.tokenizer, TINY)
    assert targets.titles.shape == (4, TINY.title_tokens)
    assert targets.codes.dtype == torch.int64
    assert ((targets.titles == model.tokenizer.eos_token_id).sum(1) == 1).all()


def _training() -> tuple[torch.nn.Linear, torch.optim.AdamW]:
    torch.manual_seed(0)
    layer = torch.nn.Linear(4, 2)
    return layer, torch.optim.AdamW(layer.parameters(), lr=0.1)


def _step(layer: torch.nn.Linear, optimizer: torch.optim.AdamW, seed: int) -> None:
    inputs = torch.randn(8, 4, generator=torch.Generator().manual_seed(seed))
    optimizer.zero_grad()
    layer(inputs).square().sum().backward()
    optimizer.step()


def test_training_goes_on_from_its_checkpoint_as_if_never_stopped(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state.safetensors"
    layer, optimizer = _training()
    for seed in range(3):
        _step(layer, optimizer, seed)
    save_state(path, dict(layer.named_parameters()), [optimizer], 3)
    assert [p.name for p in path.parent.iterdir()] == ["state.safetensors"]
    _step(layer, optimizer, 3)
    again, other = _training()
    assert load_state(path, dict(again.named_parameters()), [other]) == 3
    _step(again, other, 3)
    assert torch.equal(again.weight, layer.weight)
    assert torch.equal(again.bias, layer.bias)


def test_without_a_checkpoint_training_starts_at_nothing(tmp_path: Path) -> None:
    layer, optimizer = _training()
    before = layer.weight.clone()
    assert load_state(tmp_path / "none", dict(layer.named_parameters()), [optimizer]) == 0
    assert torch.equal(layer.weight, before)
