"""Pretraining at its smallest: it runs to its end and can be stopped on the way."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from adloom.loop.catalogue.histories.reading import HistoryReader
from adloom.loop.commands.app import app
from adloom.loop.demo.pretraining.ads import Pool, render_pool
from adloom.loop.demo.pretraining.crowds import draw_crowds
from adloom.loop.demo.pretraining.disguise import disguised, general_words
from adloom.loop.demo.pretraining.generator import ENLARGED
from adloom.loop.demo.pretraining.plan import PretrainPlan
from adloom.loop.demo.pretraining.pretrain import go_on, guide, pretrain, sharpen
from adloom.loop.demo.pretraining.shoppers import TrainingShoppers
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.copywriting import tone_of, write_title
from adloom.loop.demo.shop.creatives import Look
from adloom.loop.demo.shop.splits import (
    heldout_looks,
    heldout_products,
    training_products,
    trend_looks,
)
from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import AdBrief
from adloom.models.config import AdGeneratorConfig
from adloom.models.demo_base import no_demo_base
from adloom.models.folders import no_base
from adloom.models.generator import DEMO_MODEL, AdModel
from tests.own_tracking import track_under

PLAN = PretrainPlan(
    variants=1,
    codebook_steps=3,
    codebook_warm_up=2,
    codebook_batch=4,
    generator_steps=2,
    generator_batch=2,
    decoder_steps=2,
    enlarger_steps=2,
    enlarger_critic_alone=1,
    checkpoint_every=1,
    crowds=1,
    shoppers=4,
)


def reader_of(pool: Pool) -> HistoryReader:
    """Knows the n-th code as the style of the n-th ad."""
    styles = {style: number for number, style in enumerate(dict.fromkeys(pool.styles))}
    of_style = np.eye(len(styles), dtype=np.float32)
    return HistoryReader(of_style[[styles[style] for style in pool.styles]])


def test_shoppers_of_two_looks_leave_the_heldout_out() -> None:
    pool = render_pool(training_products(), 4, 16, 0, lambda: None)
    codes = torch.arange(len(pool.styles), dtype=torch.int16).repeat_interleave(4).view(-1, 4)
    shoppers = TrainingShoppers(pool.styles, pool.products, codes, codes, reader_of(pool))
    rng = random.Random(0)
    drawn = [shoppers.example(rng, 6) for _ in range(60)]
    assert {len(e.brief.history) for e in drawn} == {0, 6}
    held = {product.name for product in heldout_products()}
    near = []
    for example in drawn:
        assert example.brief.product_name not in held
        style = pool.styles[int(example.codes[0])]
        assert Look(*style, tone_of(example.title) or "") not in heldout_looks()
        near += [pool.styles[int(ad.codes[0])] == style for ad in example.brief.history]
    assert 0.35 < np.mean(near) < 0.8  # two looks and some noise, and nearness counts


def test_a_disguised_product_keeps_what_it_looks_like_and_has_a_title_of_its_new_words() -> None:
    rng = random.Random(0)
    product = training_products()[0]
    other = disguised(product, rng)
    assert other.product_id == product.product_id
    assert {*other.name.split()} <= {*general_words()}
    assert other.name != product.name
    assert other.name in write_title(other, "tech", rng=rng)


def test_the_lessons_cover_every_step() -> None:
    plan = PretrainPlan(generator_steps=7)
    lessons = [plan.lesson(step) for step in range(1, 8)]
    assert lessons[0] == plan.lessons[0]
    assert lessons[-1] == plan.lessons[-1]


def test_a_crowd_says_what_it_would_like_and_the_heldout_stays_out() -> None:
    people = draw_crowds(1, 12, seed=3)
    assert people == draw_crowds(1, 12, seed=3)
    assert people != draw_crowds(1, 12, seed=4)
    rng = random.Random(0)
    for someone in people:
        other = someone.renamed(rng)
        liked, also = ([c.look == one.best for c in one.clicks] for one in (someone, other))
        assert liked == also  # other names, the same story
        trendy = someone.renamed(rng, trend_looks()[0])
        assert trendy.best == trend_looks()[0]
        assert [c.look == trendy.best for c in trendy.clicks] == liked
    said = [any(_alike(c.look, p.best) for c in p.clicks) for p in people]
    assert np.mean(said) > 0.9
    pool = render_pool(training_products(), 2, 16, 0, lambda: None)
    codes = torch.arange(len(pool.styles), dtype=torch.int16).repeat_interleave(4).view(-1, 4)
    shoppers = TrainingShoppers(pool.styles, pool.products, codes, codes, reader_of(pool), people)
    for _ in range(40):
        example = shoppers.example(rng, 10, of_crowd=1.0)
        style = pool.styles[int(example.codes[0])]
        assert Look(*style, tone_of(example.title) or "") not in heldout_looks()
        assert len(example.brief.history) <= 10


def test_who_follows_a_reading_likes_what_comes_first() -> None:
    pool = render_pool(training_products(), 2, 16, 0, lambda: None)
    codes = torch.arange(len(pool.styles), dtype=torch.int16).repeat_interleave(4).view(-1, 4)
    people = draw_crowds(1, 12, seed=3)
    shoppers = TrainingShoppers(pool.styles, pool.products, codes, codes, reader_of(pool), people)
    rng = random.Random(0)
    first: dict[float, list[bool]] = {0.0: [], 1.0: []}
    for follow, found in first.items():
        for _ in range(60):
            example = shoppers.example(rng, 10, of_crowd=1.0, follow=follow)
            style = pool.styles[int(example.codes[0])]
            assert Look(*style, tone_of(example.title) or "") not in heldout_looks()
            if history := example.brief.history:
                [title] = [ad.title for ad in history if ad.title_rank == 0][:1]
                pictured = pool.styles[int(history[0].codes[0])] == style
                found.append(pictured and tone_of(title) == tone_of(example.title))
    assert np.mean(first[0.0]) < 0.6
    assert np.mean(first[1.0]) > 0.75


def _alike(one: Look, other: Look) -> bool:
    return one.scene == other.scene or one.palette == other.palette or one.tone == other.tone


def twin_base(folder: Path) -> Path:
    """The bundled base as one that draws by twins, whatever they are worth."""
    model = AdModel.from_pretrained(DEMO_MODEL)
    model.config = model.config.model_copy(update={"guidance": "twin"})
    model.conditioning.guidance = None
    model.save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_a_base_learns_on_with_the_codebook_that_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    track_under(tmp_path, monkeypatch)
    twins = twin_base(tmp_path / "twins")
    go_on(twins, tmp_path, replace(PLAN, generator_steps=1))
    stopped = load_file(tmp_path / "going-on.safetensors")
    go_on(twins, tmp_path, PLAN)
    ended = load_file(tmp_path / "going-on.safetensors")
    assert any(not torch.equal(stopped[name], ended[name]) for name in stopped)
    base, model = AdModel.from_pretrained(twins), AdModel.from_pretrained(tmp_path / "model")
    codebook = model.janus.model.vqmodel.state_dict()
    for name, weight in base.janus.model.vqmodel.state_dict().items():
        assert torch.equal(weight, codebook[name])
    assert not torch.equal(base.janus.lm_head.weight, model.janus.lm_head.weight)


@pytest.mark.slow
def test_a_base_learns_to_be_guided_and_what_it_reads_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    track_under(tmp_path, monkeypatch)
    twins = twin_base(tmp_path / "twins")
    guide(twins, tmp_path, replace(PLAN, generator_steps=1))
    stopped = load_file(tmp_path / "guiding.safetensors")
    guide(twins, tmp_path, PLAN)
    ended = load_file(tmp_path / "guiding.safetensors")
    assert any(not torch.equal(stopped[name], ended[name]) for name in stopped)
    base, model = AdModel.from_pretrained(twins), AdModel.from_pretrained(tmp_path / "model")
    after = dict(model.named_parameters())
    learns = ("layers.", "generation_head.")
    for name, weight in base.named_parameters():
        learnt = "language_model" in name or "generation_head" in name
        assert torch.equal(weight, after[name]) or (learnt and any(n in name for n in learns))
    assert not torch.equal(
        base.janus.model.generation_head.vision_head.weight,
        model.janus.model.generation_head.vision_head.weight,
    )
    assert model.config.guidance == "learnt"
    assert no_demo_base(tmp_path / "model") is None
    again = CliRunner().invoke(
        app, ["pretrain", "--out", str(tmp_path), "--continue", str(tmp_path / "model"), "--guide"]
    )
    assert again.exit_code == 2
    assert "has learnt its guidance" in " ".join(again.output.split())


@pytest.mark.slow
def test_the_decoder_of_a_base_learns_on_and_all_else_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    track_under(tmp_path, monkeypatch)
    base = AdModel.from_pretrained(DEMO_MODEL)
    base.config, base.enlarger = base.config.model_copy(update={"enlarged": 1}), None
    base.save_pretrained(tmp_path / "plain")
    sharpen(tmp_path / "plain", tmp_path, replace(PLAN, enlarger_steps=1))
    stopped = load_file(tmp_path / "enlarger.safetensors")
    decoder = (tmp_path / "decoder.safetensors").read_bytes()
    sharpen(tmp_path / "plain", tmp_path, replace(PLAN, enlarger_steps=3))
    ended = load_file(tmp_path / "enlarger.safetensors")
    assert any(not torch.equal(stopped[name], ended[name]) for name in stopped)
    assert (tmp_path / "decoder.safetensors").read_bytes() == decoder
    assert no_base(tmp_path / "model") is None
    assert no_demo_base(tmp_path / "model") is None
    model = AdModel.from_pretrained(tmp_path / "model")
    assert model.config.enlarged == ENLARGED
    after = model.janus.state_dict()
    trained = ("model.vqmodel.decoder.", "model.vqmodel.post_quant_conv.")
    for name, weight in base.janus.state_dict().items():
        assert torch.equal(weight, after[name]) or name.startswith(trained)
    last = "model.vqmodel.decoder.conv_out.weight"
    assert not torch.equal(after[last], base.janus.state_dict()[last])
    assert model.enlarger is not None
    assert model.enlarger.last.weight.any()
    again = tmp_path / "again"
    again.mkdir()
    (tmp_path / "codes.safetensors").rename(again / "codes.safetensors")
    sharpen(tmp_path / "model", again, PLAN)
    assert not (again / "decoder.safetensors").exists()  # it learns with the enlarger alone
    assert no_demo_base(again / "model") is None


def test_a_decoder_learns_on_from_a_base_that_is_named(tmp_path: Path) -> None:
    for flags in (["--sharpen"], ["--guide"]):
        alone = CliRunner().invoke(app, ["pretrain", "--out", str(tmp_path), *flags])
        assert alone.exit_code == 2
        assert f"{flags[0]} wants" in alone.output
        assert "--continue" in alone.output
    both = ["pretrain", "--continue", str(DEMO_MODEL), "--sharpen", "--guide"]
    assert CliRunner().invoke(app, both).exit_code == 2


def test_a_plate_is_the_same_scene_in_every_size() -> None:
    pool = render_pool(training_products()[:4], 1, 32, 5, lambda: None)
    for number in (0, 40, 90):
        assert np.array_equal(pool.plate(number, 32), pool.plates[number])
        large = pool.plate(number, 128).reshape(3, 32, 4, 32, 4).mean(axis=(2, 4))
        assert np.abs(large - pool.plates[number]).mean() < 8


def test_only_a_base_of_the_demo_learns_on_so(tmp_path: Path) -> None:
    asked = ["pretrain", "--out", str(tmp_path / "out"), "--continue"]
    nothing = CliRunner().invoke(app, [*asked, str(tmp_path)])
    assert nothing.exit_code == 2
    assert "holds no ad generator" in nothing.output
    shutil.copytree(DEMO_MODEL, tmp_path / "base")
    config = AdGeneratorConfig.load(tmp_path / "base").model_copy(update={"history_items": 4})
    config.save(tmp_path / "base")
    other = CliRunner().invoke(app, [*asked, str(tmp_path / "base")])
    assert other.exit_code == 2
    assert "is no base of the demo shop" in " ".join(other.output.split())


@pytest.mark.slow
def test_a_small_run_ends_in_a_generator_and_can_be_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    track_under(tmp_path, monkeypatch)
    out = tmp_path / "out"
    with mlflow.start_run() as run:  # a run in progress takes the losses
        pretrain(out, replace(PLAN, generator_steps=1))
        assert mlflow.active_run() is not None
    assert mlflow.get_run(run.info.run_id).data.params["variants"] == "1"
    codebook = (out / "codebook.safetensors").read_bytes()
    first = load_file(out / "generator.safetensors")
    pretrain(out, PLAN)
    assert (out / "codebook.safetensors").read_bytes() == codebook
    second = load_file(out / "generator.safetensors")
    assert any(not torch.equal(first[name], second[name]) for name in first)
    files = [path for path in (out / "model").iterdir() if path.is_file()]
    assert {path.suffix for path in files} <= {".safetensors", ".json", ".txt"}
    assert sum(path.stat().st_size for path in files) < 40e6
    product = next(iter(load_catalog().values()))
    brief = AdBrief(product.name, product.selling_points, product.cutout())
    generator = AdGenerator.from_pretrained(out / "model", device="cpu")
    draft = generator.generate([brief], seeds=[1])[0]
    assert draft.background.size == (96 * ENLARGED,) * 2
