"""Model and engine hold one base between them, and each adapter its own few numbers."""

from __future__ import annotations

import copy
import gc
import math
from pathlib import Path

import pytest
import torch
from transformers import JanusForConditionalGeneration

from adloom.models.ad_generator import AdGenerator
from adloom.models.adapters import AdaptedModel
from adloom.models.batching import batch_briefs
from adloom.models.engine import lora, weights
from adloom.models.engine.history import fast_conditioning
from adloom.models.engine.matmul import computes_from
from adloom.models.generator import AdModel
from adloom.models.sampling import Sampling
from tests.models.plain_decoding import assert_drawn_as_the_model_says
from tests.tiny_model import brief, products, tiny_model

ASKS = [brief(p, n, seed=n) for n, p in enumerate(products()[:4])]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with more layers: most of a base is its language model."""
    folder, tiny = tmp_path_factory.mktemp("base"), tiny_model()
    config = copy.deepcopy(tiny.janus.config)
    config.get_text_config().num_hidden_layers = 16
    torch.manual_seed(0)
    deeper = JanusForConditionalGeneration(config)
    AdModel(deeper, tiny.tokenizer, tiny.config).save_pretrained(folder)
    return folder


@pytest.fixture
def half(saved: Path) -> AdGenerator:
    """On a base in bfloat16, as on a GPU, with an adapter that changes what is drawn."""
    model = AdModel.from_pretrained(saved, dtype=torch.bfloat16)
    generator = AdGenerator(model, rows=4, dtype=torch.bfloat16)
    add_noise(generator, "own")
    return generator


def add_noise(generator: AdaptedModel, name: str) -> None:
    generator.new_adapter(name, rank=4, alpha=8)
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in generator.lora_parameters(name).values():
            weight.normal_(std=0.1)


def held() -> dict[int, int]:
    """Bytes of all memory that tensors of this process lie in, by address."""
    gc.collect()
    tensors = [one for one in gc.get_objects() if type(one) in (torch.Tensor, torch.nn.Parameter)]
    packed = {id(one): one.numel() * one.element_size() for one in tensors if one.is_mkldnn}
    parts = [one.untyped_storage() for one in tensors if not one.is_mkldnn]
    return packed | {part.data_ptr(): part.nbytes() for part in parts}


def more_than(before: dict[int, int]) -> int:
    return sum(held().values()) - sum(before.values())


def test_an_engine_holds_no_second_base(half: AdGenerator) -> None:
    own = sum(p.nbytes for p in half.model.parameters())
    before = held()
    engine = half.engine
    room = engine.cache_bytes  # of keys and values, of which nothing is written yet
    assert more_than(before) - room < 0.15 * own
    with torch.no_grad():
        half.model.janus.lm_head.weight.mul_(2)
    assert half.engine is not engine  # and there are two of them now
    assert more_than(before) - 2 * room < 0.3 * own
    layers = half.engine.weights.layers
    attention = sum(2 * math.prod(part.shape) for one in layers for part in (one.qkv, one.out))
    before = held()
    half.engine._bank.rows([half._snapshot("own")])
    assert more_than(before) < attention / 4


@pytest.mark.parametrize(("shared", "adapter"), [(True, None), (True, "own"), (False, "own")])
def test_large_bases_draw_what_the_model_says_too(
    shared: bool, adapter: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shared, or a copy that is too large to be made again for adapters."""
    monkeypatch.setattr(weights, "computes_from", lambda *_: shared)
    monkeypatch.setattr(lora, "_SMALL", 0)
    generator = AdGenerator(tiny_model(), dtype=torch.float32)
    add_noise(generator, "own")
    how = Sampling(guidance=2.5, temperature=0.8)
    started = [
        generator.start(ask, seeds=[n], sampling=how, adapter=name)
        for name in (None, "own")
        for n, ask in enumerate(ASKS)
    ]
    generator.finish(started)
    assert generator.engine.weights.shared == shared
    generator.activate(adapter)
    of_adapter = started[:4] if adapter is None else started[4:]
    for seed, (ask, future) in enumerate(zip(ASKS, of_adapter, strict=True)):
        drawn = future.result()[0]
        assert_drawn_as_the_model_says(generator.model, ask, seed, drawn, how)


def test_an_ad_of_shared_weights_is_the_same_in_any_batch(half: AdGenerator) -> None:
    names = (None, "own", None, "own")
    started = [
        half.start(ask, seeds=[n], adapter=name)
        for n, (ask, name) in enumerate(zip(ASKS, names, strict=True))
    ]
    half.finish(started)
    assert half.engine.weights.shared
    for n, future in enumerate(started):
        alone = half.start(ASKS[n], seeds=[n], adapter=names[n])
        half.finish([alone])
        assert alone.result()[0].title == future.result()[0].title
        assert torch.equal(alone.result()[0].codes, future.result()[0].codes)


def test_a_base_that_an_engine_shares_is_saved_whole(half: AdGenerator, tmp_path: Path) -> None:
    half.drop_adapter("own")
    before = {name: w.clone() for name, w in half.model.janus.state_dict().items()}
    assert half.engine.weights.shared
    half.model.save_pretrained(tmp_path / "again", dtype=torch.bfloat16)
    found = AdModel.from_pretrained(tmp_path / "again", dtype=torch.bfloat16).janus.state_dict()
    assert all(torch.equal(w.to(found[name]), found[name]) for name, w in before.items())


def test_a_copy_is_made_where_products_need_another_form() -> None:
    """In float32 on a CPU, and where the products have another dtype than the base."""
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    full, small = torch.float32, torch.bfloat16
    assert [computes_from(full, full, device) for device in (cpu, gpu)] == [False, True]
    assert [computes_from(small, small, device) for device in (cpu, gpu)] == [True, True]
    assert not any(computes_from(full, small, device) for device in (cpu, gpu))


def test_a_version_holds_its_modules_once_in_the_dtype_of_the_base(
    half: AdGenerator, tmp_path: Path
) -> None:
    half.save_adapter("own", tmp_path)
    half.drop_adapter("own")
    half.finish([half.start(ASKS[1], seeds=[0])])
    before = held()
    half.load_adapter("served", tmp_path)
    half.finish([half.start(ASKS[1], seeds=[0], adapter="served")])
    modules = sum(2 * w.numel() for w in half.conditioning("served").parameters())
    own = sum(w.nbytes for w in half.lora_parameters("served").values())
    assert (tmp_path / "conditioning.safetensors").stat().st_size < 1.05 * modules
    # LoRA as PEFT holds it, as the engine keeps it, and side by side with zeros between.
    assert more_than(before) < 1.05 * modules + 6 * own


def test_what_is_trained_is_float32_and_rests_in_the_dtype_of_the_base(half: AdGenerator) -> None:
    half.end_training("own")
    assert {w.dtype for w in half.conditioning("own").parameters()} == {torch.bfloat16}
    half.copy_adapter("own", "next")
    assert {w.dtype for w in half.conditioning("next").parameters()} == {torch.float32}
    of_own, of_next = (half.conditioning(name).state_dict() for name in ("own", "next"))
    assert all(torch.equal(of_own[key].float(), w) for key, w in of_next.items())


def test_a_history_is_read_in_half_precision_as_the_model_reads_it(half: AdGenerator) -> None:
    model = half.model
    batch = batch_briefs([brief(products()[1], 3, seed=3)], model.tokenizer, model.config)
    fast = fast_conditioning(model.conditioning, torch.bfloat16)
    with torch.inference_mode():
        read, wanted = (model.prefer(batch, conditioning=c) for c in (fast, model.conditioning))
    for found, expected in ((read.pictures, wanted.pictures), (read.titles, wanted.titles)):
        assert (found - expected).abs().mean() < 0.05 * expected.abs().mean()
