"""The same ad generator on public Janus-Pro checkpoints, in their file format and sizes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    Dinov2Model,
    JanusForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from adloom.models.ad_generator import AdGenerator
from adloom.models.bare_model import BaseShape
from adloom.models.batching import BriefBatch, batch_briefs, batch_targets
from adloom.models.brief import AdBrief
from adloom.models.config import AdGeneratorConfig
from adloom.models.engine.job import words_of_titles
from adloom.models.generator import AdModel
from adloom.models.janus_pro import load_janus, paper_config
from adloom.models.masks import causal_mask, count_positions
from adloom.models.published_shapes import JanusSize, dinov2_small, janus_pro
from adloom.models.tokenizer import special_tokens
from adloom.models.training.example_loss import example_loss, noisy
from tests.models.public_janus import (
    janus_tokenizer,
    public_checkpoint,
    small_dinov2,
)
from tests.tiny_model import brief, examples, products, tiny_model


def meta_batch(config: AdGeneratorConfig, rows: int) -> BriefBatch:
    """Inputs without values in the sizes of ``config``."""
    items = config.history_items
    with torch.device("meta"):
        return BriefBatch(
            prompt=torch.zeros(rows, config.prompt_tokens, dtype=torch.long),
            history_codes=torch.zeros(rows, items, config.history_codes, dtype=torch.long),
            history_titles=torch.zeros(rows, items, config.history_title_tokens, dtype=torch.long),
            history_valid=torch.ones(rows, items, dtype=torch.bool),
            cutouts=torch.zeros(rows, 3, config.picture_size, config.picture_size),
        )


@pytest.mark.parametrize(("size", "layers", "width"), [("1B", 24, 2048), ("7B", 30, 4096)])
def test_the_real_sizes_fit_together(size: JanusSize, layers: int, width: int) -> None:
    published = janus_pro(size)
    config = paper_config(published)
    assert (config.image_tokens, config.history_codes) == (576, 64)
    assert config.history_picture_size == 128
    assert config.history_title_tokens == 30
    tokenizer = janus_tokenizer()  # made before: not without its values
    with torch.device("meta"):
        janus = JanusForConditionalGeneration(published)
        dinov2 = Dinov2Model(dinov2_small())
        model = AdModel(janus, tokenizer, config, dinov2)
    assert len(janus.model.language_model.layers) == layers
    batch = meta_batch(config, 2)
    prompt, valid = model.prompt(batch)
    kept = int(np.ceil(0.4 * 10 * 64)) + int(np.ceil(0.4 * 10 * 30))
    assert prompt.shape == (2, 1 + config.prompt_tokens + kept + 1, width)
    features = model.perceive(batch.cutouts)
    assert features.shape == (layers // 6, 2, 576, width)
    image = model.embed_codes(torch.zeros(2, 576, dtype=torch.long, device="meta"))
    embeds = torch.cat([prompt, image], dim=1)
    seen = torch.cat([valid, torch.ones(2, 576, dtype=torch.bool, device="meta")], dim=1)
    states = model.backbone(embeds, causal_mask(seen), count_positions(seen), foreground=features)
    assert states.shape == embeds.shape
    assert janus.model.generation_head(states[:, -576:]).shape == (2, 576, 16384)
    assert janus.lm_head(states[:, :1]).shape == (2, 1, 102400)


@pytest.fixture(scope="module")
def janus(tmp_path_factory: pytest.TempPathFactory) -> AdModel:
    folder = tmp_path_factory.mktemp("public")
    return load_janus(
        public_checkpoint(folder / "janus"),
        dinov2=small_dinov2(folder / "dinov2"),
        dtype=torch.float32,
    )


def test_words_are_written_by_a_matrix_of_their_own_as_transformers_4_converted_them(
    tmp_path: Path,
) -> None:
    folder = public_checkpoint(tmp_path / "janus")
    described = json.loads((folder / "config.json").read_text())
    del described["tie_word_embeddings"]  # transformers 4 wrote none at the top
    (folder / "config.json").write_text(json.dumps(described))
    loaded: Any = load_janus(folder, dinov2=None).janus
    assert not torch.equal(loaded.lm_head.weight, loaded.get_input_embeddings().weight)
    assert not loaded.config.tie_word_embeddings
    planned = BaseShape.of(str(folder)).without_weights().janus
    assert sum(p.numel() for p in planned.parameters()) == loaded.num_parameters()


def test_a_public_checkpoint_draws_an_ad(janus: AdModel) -> None:
    ad = AdGenerator(janus).generate([code_brief(janus, 2), code_brief(janus, 0)], seeds=[1, 2])[0]
    assert janus.config.picture_size == 64
    assert ad.codes.shape == (16,)
    assert ad.codes.max() < 128
    assert ad.background.size == (64, 64)
    assert not any(token in ad.title for token in janus.tokenizer.all_special_tokens)


def code_brief(model: AdModel, history: int) -> AdBrief:
    """A brief whose history codes fit ``model``."""
    ask = brief(products()[0], history)
    tokens = model.config.history_codes
    ads = tuple(replace(ad, codes=np.resize(ad.codes, tokens) % 128) for ad in ask.history)
    return replace(ask, history=ads)


def test_dinov2_gives_a_feature_a_token_and_is_kept_out_of_adapters(
    janus: AdModel, tmp_path: Path
) -> None:
    batch = batch_briefs([code_brief(janus, 1)], janus.tokenizer, janus.config)
    assert janus.dinov2 is not None
    assert janus.dinov2(batch.cutouts).shape == (1, 16, 24)
    generator = AdGenerator(janus)
    generator.new_adapter("one", rank=2, alpha=4)
    generator.save_adapter("one", tmp_path / "one")
    generator.drop_adapter("one")
    size = sum(file.stat().st_size for file in (tmp_path / "one").iterdir())
    assert size < 4 * sum(p.numel() for p in janus.conditioning.parameters()) + 200_000


def test_it_learns_and_is_saved_as_an_ad_generator(janus: AdModel, tmp_path: Path) -> None:
    clicked = [replace(e, brief=code_brief(janus, 2), codes=e.codes % 128) for e in examples(2)]
    generator = AdGenerator(janus)
    torch.manual_seed(0)
    janus.train()
    loss = example_loss(generator, clicked)
    loss.backward()
    gradient = janus.conditioning.get_submodule("foreground.project.0.2").weight.grad
    assert isinstance(gradient, torch.Tensor)
    assert gradient.abs().sum() > 0
    janus.zero_grad()
    janus.eval()
    ask = [code_brief(janus, 1)]
    before = generator.generate(ask, seeds=[4])[0]
    janus.save_pretrained(tmp_path / "saved")
    after = AdGenerator.from_pretrained(tmp_path / "saved", device="cpu").generate(ask, seeds=[4])[
        0
    ]
    assert after.title == before.title
    assert np.array_equal(after.codes, before.codes)


def test_codes_are_taken_by_direction(janus: AdModel) -> None:
    weight = janus.janus.model.vqmodel.quantize.embedding.weight
    assert torch.allclose(weight.norm(dim=-1), torch.ones(len(weight)), atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("multi_modality", "original repository.*deepseek-community/Janus-Pro-1B"),
        ("llama", "no Janus checkpoint .*'llama'"),
        (None, "no Janus checkpoint"),
    ],
)
def test_a_checkpoint_of_another_kind_is_refused_before_a_weight_is_made(
    tmp_path: Path, kind: str | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    public_checkpoint(tmp_path)
    described = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(described | {"model_type": kind}))
    monkeypatch.setattr(
        JanusForConditionalGeneration, "__init__", lambda *_: pytest.fail("weights were made")
    )
    with pytest.raises(ValueError, match=told) as refused:
        load_janus(tmp_path, dinov2=None)
    assert "\n" not in str(refused.value)


def test_a_folder_without_a_checkpoint_is_told(tmp_path: Path) -> None:
    for folder, told in ((tmp_path, r"config.json is missing"), (tmp_path / "a", "no such folder")):
        with pytest.raises(FileNotFoundError, match=told):
            load_janus(folder, dinov2=None)


def test_noise_in_titles_is_words_wherever_the_special_tokens_lie(janus: AdModel) -> None:
    """Janus-Pro's lie above its words, the bundled model's below them."""
    for model in (janus, tiny_model()):
        words = words_of_titles(model).tolist()
        special = set(special_tokens(model.tokenizer))
        assert special >= {model.boi_id, model.eoi_id, model.janus.config.image_token_id}
        assert set(words) == set(range(len(model.tokenizer))) - special
    few = [replace(one, codes=one.codes[:16] % 128) for one in examples(2)]
    targets = batch_targets(few, janus.tokenizer, janus.config)
    torch.manual_seed(0)
    disturbed = noisy(targets, torch.ones(2), janus)
    padding = targets.titles == janus.tokenizer.pad_token_id
    assert torch.equal(disturbed.titles[padding], targets.titles[padding])
    assert set(disturbed.titles[~padding].tolist()) <= set(words_of_titles(janus).tolist())
    assert (disturbed.titles != targets.titles)[~padding].float().mean() > 0.9


def test_a_tokenizer_that_is_not_of_janus_is_refused(tmp_path: Path) -> None:
    public_checkpoint(tmp_path)
    tokenizer = janus_tokenizer()
    plain = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer, bos_token="a", eos_token="b"
    )
    plain.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="tokenizer of a Janus"):
        load_janus(tmp_path, dinov2=None)
    with pytest.raises(ValueError, match="do not agree"):
        AdModel(
            tiny_model().janus,
            tiny_model().tokenizer,
            AdGeneratorConfig(foreground="dinov2"),
        )
