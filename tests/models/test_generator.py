"""What the generator draws: the same ad for a brief and a seed, whatever is around."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from adloom.models.ad_generator import AdGenerator
from adloom.models.batching import batch_briefs, batch_targets
from adloom.models.brief import AdBrief, AdDraft, Example
from adloom.models.generator import AdModel
from adloom.models.masks import causal_mask, count_positions
from adloom.models.sampling import Sampling
from tests.tiny_model import TINY, brief, examples, products, tiny_generator, tiny_model


@pytest.fixture(scope="module")
def generator() -> AdGenerator:
    return tiny_generator()


@pytest.fixture(scope="module")
def briefs() -> list[AdBrief]:
    return [brief(p, n, seed=n) for p, n in zip(products(), (0, 1, 4, 2), strict=False)]


def same(first: AdDraft, second: AdDraft) -> bool:
    return first.title == second.title and np.array_equal(first.codes, second.codes)


def test_an_ad_has_a_title_codes_and_a_picture(
    generator: AdGenerator, briefs: list[AdBrief]
) -> None:
    draft = generator.generate(briefs[:1], seeds=[3])[0]
    assert draft.title
    assert "<" not in draft.title
    assert draft.codes.dtype == np.int16
    assert draft.codes.shape == (TINY.image_tokens,)
    assert draft.codes.min() >= 0
    assert draft.codes.max() < 1024
    assert draft.background.size == (TINY.picture_size, TINY.picture_size)
    assert draft.background.mode == "RGB"


def test_the_same_brief_and_seed_give_the_same_ad_in_any_batch(
    generator: AdGenerator, briefs: list[AdBrief]
) -> None:
    seeds = [11, 12, 13, 14]
    alone = [generator.generate([b], seeds=[s])[0] for b, s in zip(briefs, seeds, strict=True)]
    together = generator.generate(briefs, seeds=seeds)
    turned = generator.generate(briefs[::-1], seeds=seeds[::-1])[::-1]
    for one, other, third in zip(alone, together, turned, strict=True):
        assert same(one, other)
        assert same(one, third)


def test_seed_product_and_history_all_change_the_ad(generator: AdGenerator) -> None:
    first, second = products()[:2]
    usual = generator.generate([brief(first, 2)], seeds=[5])[0]
    assert not same(usual, generator.generate([brief(first, 2)], seeds=[6])[0])
    assert not same(usual, generator.generate([brief(second, 2)], seeds=[5])[0])
    assert not same(usual, generator.generate([brief(first, 2, seed=9)], seeds=[5])[0])
    assert not same(usual, generator.generate([brief(first, 0)], seeds=[5])[0])


def test_only_the_first_history_that_fits_counts(generator: AdGenerator) -> None:
    product = products()[0]
    long = brief(product, TINY.history_items + 3)
    cut = AdBrief(
        long.product_name, long.selling_words, long.cutout, long.history[: TINY.history_items]
    )
    first, second = generator.generate([long, cut], seeds=[1, 1])
    assert same(first, second)


def test_the_foreground_changes_the_picture_alone(
    generator: AdGenerator, briefs: list[AdBrief]
) -> None:
    strong, off = (
        generator.generate(briefs[:1], seeds=[2], sampling=Sampling(foreground_strength=s))[0]
        for s in (3.0, 0.0)
    )
    assert strong.title == off.title
    assert not np.array_equal(strong.codes, off.codes)


def test_a_seed_a_brief_is_asked_for(generator: AdGenerator, briefs: list[AdBrief]) -> None:
    with pytest.raises(ValueError, match="as many seeds"):
        generator.generate(briefs, seeds=[1])
    assert generator.generate([], seeds=[]) == []


@torch.inference_mode()
def test_the_training_pass_scores_what_decoding_sees() -> None:
    """Teacher forcing: the loss of an ad is the one its own decoding steps give."""
    model = tiny_model()
    clicked = examples(3)
    batch = batch_briefs([e.brief for e in clicked], model.tokenizer, model.config)
    target = batch_targets(clicked, model.tokenizer, model.config)
    title_loss, image_loss = model(batch, target)
    title, image = _losses_by_decoding(model, clicked)
    assert title_loss.item() == pytest.approx(title, rel=1e-4)
    assert image_loss.item() == pytest.approx(image, rel=1e-4)


def _losses_by_decoding(model: AdModel, clicked: list[Example]) -> tuple[float, float]:
    """Mean negative log likelihood of title and image tokens, an ad and a token at a time."""
    titles: list[float] = []
    images: list[float] = []
    for example in clicked:
        batch = batch_briefs([example.brief], model.tokenizer, model.config)
        target = batch_targets([example], model.tokenizer, model.config)
        prompt, valid = model.prompt(batch)
        fed = list(prompt[0, valid[0]])  # without padding, so that nothing needs a mask
        seen = [torch.zeros(model.width)] * len(fed)
        [features] = model.perceive(batch.cutouts)[0]
        for token in target.titles[0][target.titles[0] != model.tokenizer.pad_token_id]:
            logits = model.janus.lm_head(_last_state(model, fed, seen))
            titles.append(-logits.log_softmax(-1)[token].item())
            fed.append(model.embed_text(token))
            seen.append(torch.zeros(model.width))
        fed.append(model.embed_text(torch.tensor(model.boi_id)))
        for code, feature in zip(target.codes[0], features, strict=True):
            seen.append(feature)
            logits = model.janus.model.generation_head(_last_state(model, fed, seen))
            images.append(-logits.log_softmax(-1)[code].item())
            fed.append(model.embed_codes(code))
    return float(np.mean(titles)), float(np.mean(images))


def _last_state(model: AdModel, fed: list[torch.Tensor], seen: list[torch.Tensor]) -> torch.Tensor:
    full = torch.ones(1, len(fed), dtype=torch.bool)
    states = model.backbone(
        torch.stack(fed)[None],
        causal_mask(full),
        count_positions(full),
        foreground=torch.stack(seen)[None, None],
    )
    return states[0, -1]


@torch.inference_mode()
def test_an_unconditional_row_sees_neither_brief_nor_title() -> None:
    model = tiny_model()
    clicked = examples(2)
    targets = batch_targets(clicked, model.tokenizer, model.config)
    blank = torch.tensor([True, True])
    cutout = clicked[0].brief.cutout
    others = [brief(products()[3], 3, seed=8), brief(products()[4], 0)]
    losses = []
    for briefs in ([e.brief for e in clicked], others):
        same_cutout = [AdBrief(b.product_name, b.selling_words, cutout, b.history) for b in briefs]
        batch = batch_briefs(same_cutout, model.tokenizer, model.config)
        title_loss, image_loss = model(batch, targets, blank)
        assert title_loss.item() == 0
        losses.append(image_loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_saved_generator_draws_the_same(
    dtype: torch.dtype, briefs: list[AdBrief], tmp_path: Path
) -> None:
    model = tiny_model()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.to(dtype))
    before = AdGenerator(model).generate(briefs, seeds=[1, 2, 3, 4])
    model.save_pretrained(tmp_path / "model", dtype=dtype)
    loaded = AdGenerator.from_pretrained(tmp_path / "model", device="cpu")
    assert {p.dtype for p in loaded.model.parameters()} == {torch.float32}
    for one, other in zip(before, loaded.generate(briefs, seeds=[1, 2, 3, 4]), strict=True):
        assert same(one, other)
    files = [path for path in (tmp_path / "model").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".safetensors", ".json", ".txt"}
    weights = sum(path.stat().st_size for path in files if path.suffix == ".safetensors")
    expected = sum(p.numel() for p in model.parameters()) * dtype.itemsize
    assert weights == pytest.approx(expected, rel=0.05)


def test_a_base_in_half_precision_has_half_modules_and_trains_full_ones(
    briefs: list[AdBrief], tmp_path: Path
) -> None:
    """As on a GPU: bfloat16 draws ads and has a loss with a gradient."""
    tiny_model().save_pretrained(tmp_path)
    model = AdModel.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert {p.dtype for p in model.janus.model.language_model.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in model.janus.model.vqmodel.parameters()} == {torch.float32}
    assert {p.dtype for p in model.conditioning.parameters()} == {torch.bfloat16}
    generator = AdGenerator(model)
    assert len(generator.generate(briefs, seeds=[1, 2, 3, 4])) == 4
    generator.new_adapter("round", rank=2, alpha=4)
    generator.activate("round")
    assert {p.dtype for p in model.conditioning.parameters()} == {torch.float32}
    clicked = examples(2)
    title, image = model(
        batch_briefs([e.brief for e in clicked], model.tokenizer, model.config),
        batch_targets(clicked, model.tokenizer, model.config),
    )
    (title + image).backward()
    gradients = [p.grad for p in model.conditioning.preference.parameters()]
    assert any(g is not None and g.abs().sum() > 0 for g in gradients)


def test_a_generator_with_adapters_is_not_saved_as_a_base(tmp_path: Path) -> None:
    generator = tiny_generator()
    generator.new_adapter("round", rank=2, alpha=4)
    with pytest.raises(ValueError, match="drop the loaded adapters"):
        generator.model.save_pretrained(tmp_path)


def test_a_folder_without_a_generator_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no ad generator"):
        AdGenerator.from_pretrained(tmp_path)
