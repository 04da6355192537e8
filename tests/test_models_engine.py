"""The engine draws what the model says, row by row, whatever runs beside it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.ad_generator import AdGenerator
from models.batching import batch_briefs
from models.brief import AdBrief
from models.engine import Drawn
from models.engine.cache import RowCache
from models.engine.guesses import Guesses
from models.engine.noise import GumbelNoise
from models.engine.weights import Shape
from models.generator import AdModel, causal_mask, count_positions
from models.sampling import Sampling
from tests.tiny_model import TINY, brief, products, tiny_generator, tiny_model

ASKS = [brief(p, n, seed=n) for p, n in zip(products(), (0, 1, 4, 2, 3), strict=False)]
ADAPTERS = (None, "left", "right", "wide")


@pytest.fixture(scope="module")
def generator() -> AdGenerator:
    """A generator with three adapters, one of another rank, that change what is drawn.

    It computes in float32, so that it can be compared with the model.
    """
    generator = AdGenerator(tiny_model(), dtype=torch.float32)
    for seed, (name, rank) in enumerate((("left", 4), ("right", 4), ("wide", 7))):
        generator.new_adapter(name, rank=rank, alpha=8)
        noise = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in generator.lora_parameters(name).values():
                weight.copy_(0.1 * torch.randn(weight.shape, generator=noise))
            for parameter in generator._conditioning[name].parameters():
                parameter.mul_(1 + 0.2 * torch.randn(parameter.shape, generator=noise))
    return generator


def draw(
    generator: AdGenerator,
    asks: Sequence[tuple[AdBrief, int, str | None]],
    sampling: Sampling | None = None,
) -> list[Drawn]:
    started = [
        generator.start(b, seeds=[seed], adapter=adapter, sampling=sampling)
        for b, seed, adapter in asks
    ]
    generator.finish(started)
    return [future.result()[0] for future in started]


def same(first: Drawn, second: Drawn) -> bool:
    return first.title == second.title and torch.equal(first.codes, second.codes)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_every_token_is_what_the_model_with_that_adapter_alone_would_draw(
    generator: AdGenerator, adapter: str | None
) -> None:
    """Against one pass of Hugging Face's Llama, wrapped by PEFT, over the whole sequence."""
    how = Sampling(guidance=2.5, temperature=0.8, title_temperature=1.5)
    others = [(b, 50 + i, ADAPTERS[i % 4]) for i, b in enumerate(ASKS)]
    drawn = draw(generator, [*others, (ASKS[2], 7, adapter)], how)[-1]
    generator.activate(adapter)
    title, wanted, plain = logits_of(generator.model, ASKS[2], drawn, how)
    generator.activate(None)
    model = generator.model
    tokens = [*drawn.title, model.tokenizer.eos_token_id][: TINY.title_tokens - 1]
    noise = noise_of(7, 0, len(tokens), TINY.title_tokens + 1, title.shape[1])
    scores = title[: len(tokens)] / how.title_temperature + noise
    forbidden = [0, 1, 3, model.boi_id, model.eoi_id, model.janus.config.image_token_id]
    scores[:, [i for i in forbidden if i != model.tokenizer.eos_token_id]] = -torch.inf
    assert_drawn(scores, torch.tensor(tokens))
    guided = plain + how.guidance * (wanted - plain)
    noise = noise_of(7, 1, TINY.image_tokens, TINY.image_tokens, guided.shape[1])
    assert_drawn(guided / how.temperature + noise, drawn.codes)


def assert_drawn(scores: torch.Tensor, tokens: torch.Tensor) -> None:
    """Each token has the highest score of its row but for rounding."""
    chosen = scores.gather(1, tokens[:, None])[:, 0]
    assert (scores.max(1).values - chosen).max() < 2e-3


def noise_of(seed: int, stage: int, tokens: int, most: int, vocabulary: int) -> torch.Tensor:
    """Standard Gumbel numbers ``(tokens, vocabulary)`` that a row of this seed meets."""
    noise = GumbelNoise(1, most, vocabulary, torch.device("cpu"))
    noise.start(0, seed, stage, 1.0)
    return torch.cat([next_of(noise, 1) for _ in range(tokens)])


def next_of(noise: GumbelNoise, rows: int) -> torch.Tensor:
    """Noise ``(rows, vocabulary)`` of a token of each of the first rows, which then is drawn."""
    found = noise.ahead(rows, 1)[:, 0]
    noise.advance([1] * rows)
    return found


@torch.inference_mode()
def logits_of(
    model: AdModel, ask: AdBrief, drawn: Drawn, how: Sampling
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits before each token: of the title, of the codes, of the codes without a prompt."""
    batch = batch_briefs([ask], model.tokenizer, model.config)
    prompt, valid = model.prompt(batch)
    text = torch.tensor([[*drawn.title, model.tokenizer.eos_token_id, model.boi_id]])
    image = model.embed_codes(drawn.codes[None, :-1])
    embeds = torch.cat([prompt, model.embed_text(text), image], dim=1)
    seen = torch.cat([valid, torch.ones(1, embeds.shape[1] - valid.shape[1]).bool()], dim=1)
    start, first = prompt.shape[1] - 1, prompt.shape[1] + text.shape[1] - 1
    foreground = torch.zeros_like(embeds)
    foreground[:, first:] = how.foreground_strength * model.perceive(batch.cutouts)
    blank = seen.clone()
    blank[:, 1:first] = False
    states = [
        model.backbone(embeds, causal_mask(v), count_positions(v), foreground=foreground)[0]
        for v in (seen, blank)
    ]
    head = model.janus.model.generation_head
    title = model.janus.lm_head(states[0][start : first - 1])
    return title, head(states[0][first:]), head(states[1][first:])


def test_an_ad_is_the_same_to_a_bit_in_any_batch(generator: AdGenerator) -> None:
    """Alone, among others of the same and of other adapters, early and late, in any order."""
    asks = [(ASKS[i % 5], 100 + i, ADAPTERS[i % 4]) for i in range(12)]
    alone = [draw(generator, [ask])[0] for ask in asks]
    assert len({tuple(d.codes.tolist()) for d in alone}) == len(asks)
    for one, other in zip(alone, draw(generator, asks), strict=True):
        assert same(one, other)
    for one, other in zip(alone[::-1], draw(generator, asks[::-1]), strict=True):
        assert same(one, other)


@settings(max_examples=5, deadline=None)
@given(joins=st.lists(st.integers(0, 9), min_size=2, max_size=8), rows=st.integers(1, 4))
def test_requests_may_join_at_any_step(generator: AdGenerator, joins: list[int], rows: int) -> None:
    asks = [(ASKS[i % 5], i, ADAPTERS[i % 4]) for i in range(len(joins))]
    expected = draw(generator, asks)
    narrow = AdGenerator(generator.model, rows=rows, dtype=torch.float32)
    narrow._peft, narrow._conditioning = generator._peft, generator._conditioning
    narrow._base_conditioning, narrow._trends = generator._base_conditioning, generator._trends
    started: list[Future[list[Drawn]]] = []
    for (ask, seed, adapter), pause in zip(asks, joins, strict=True):
        started.append(narrow.start(ask, seeds=[seed], adapter=adapter))
        for _ in range(pause):
            narrow.step()
    narrow.finish(started)
    for future, one in zip(started, expected, strict=True):
        assert same(future.result()[0], one)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_of_a_row_hangs_on_no_other_row_to_a_bit(dtype: torch.dtype) -> None:
    """However long the others are, which decides how many keys are looked at."""
    shape, device = Shape(width=128, layers=1, heads=2, kv_heads=2, depth=64), torch.device("cpu")
    drawn = torch.Generator().manual_seed(0)
    prefix = torch.randn(1, 2, 2, 150, 64, generator=drawn).to(dtype)
    queries = torch.randn(4, 128, generator=drawn).to(dtype)
    keys_values = torch.randn(4, 256, generator=drawn).to(dtype)
    found = []
    for other in (1, 150, 200, 300, 380):
        cache = RowCache(shape, 2, 400, device, dtype)
        cache.put(0, prefix)
        cache.put(1, torch.randn(1, 2, 2, other, 64).to(dtype))
        cache.open_step(2, 4)
        seen = cache.attend(0, torch.cat([queries] * 2), torch.cat([keys_values] * 2))
        found.append(seen[:4])
    assert all(torch.equal(found[0], one) for one in found[1:])


def test_candidates_are_the_ads_of_their_seeds(generator: AdGenerator) -> None:
    """They share one encoding of the brief, and may be more than fit at a time."""
    seeds = range(18)
    together = generator.candidates(ASKS[2], seeds=seeds, adapter="left")
    apart = generator.generate([ASKS[2]] * 18, seeds=seeds, adapter="left")
    assert len({d.title for d in together}) > 1
    for one, other in zip(together, apart, strict=True):
        assert one.title == other.title
        assert np.array_equal(one.codes, other.codes)
        assert one.background.tobytes() == other.background.tobytes()
    assert generator.candidates(ASKS[2], seeds=[]) == []
    with pytest.raises(ValueError, match="not negative, got -3"):
        generator.candidates(ASKS[2], seeds=[1, -3])


def test_what_goes_wrong_in_one_row_fails_its_request_alone(generator: AdGenerator) -> None:
    generator.new_adapter("broken", rank=4, alpha=8)
    with torch.no_grad():
        next(iter(generator.lora_parameters("broken").values())).fill_(torch.nan)
    wrong_codes = replace(ASKS[1].history[0], codes=np.full(TINY.image_tokens, 5000, np.int16))
    good = [(ASKS[0], 1, None), (ASKS[1], 2, "left")]
    expected = draw(generator, good)
    started = [generator.start(b, seeds=[seed], adapter=name) for b, seed, name in good]
    bad = [
        generator.start(ASKS[0], seeds=[3], adapter="broken"),
        generator.start(replace(ASKS[1], history=(wrong_codes,)), seeds=[4]),
        generator.start(
            AdBrief("", ("?",), ASKS[0].cutout), seeds=[5], sampling=Sampling(style_words=())
        ),
    ]
    generator.finish([*started, *bad])
    generator.drop_adapter("broken")
    assert all(isinstance(future.exception(), Exception) for future in bad)
    for future, one in zip(started, expected, strict=True):
        assert same(future.result()[0], one)
    assert all(same(a, b) for a, b in zip(draw(generator, good), expected, strict=True))


def test_an_adapter_counts_as_it_was_when_its_request_came(generator: AdGenerator) -> None:
    generator.copy_adapter("left", "passing")
    expected = draw(generator, [(ASKS[3], 5, "passing")])[0]
    started = generator.start(ASKS[3], seeds=[5], adapter="passing")
    generator.step()
    generator.drop_adapter("passing")
    generator.finish([started])
    assert same(started.result()[0], expected)


def test_changed_weights_are_seen(generator: AdGenerator) -> None:
    generator = tiny_generator()
    before = draw(generator, [(ASKS[2], 5, None)])[0]
    generator.new_adapter("changing", rank=2, alpha=4)
    with torch.no_grad():
        for weight in generator.lora_parameters("changing").values():
            weight.add_(0.3)
    adapted = draw(generator, [(ASKS[2], 5, "changing")])[0]
    assert not same(before, adapted)
    with torch.no_grad():
        generator.model.janus.lm_head.weight.mul_(2)
    assert not same(before, draw(generator, [(ASKS[2], 5, None)])[0])


def test_a_cancelled_request_is_not_drawn(generator: AdGenerator) -> None:
    started = [generator.start(ASKS[0], seeds=[n]) for n in range(2)]
    assert started[0].cancel()
    generator.finish(started)
    assert started[0].cancelled()
    assert started[1].result()


def test_threads_share_a_batch(generator: AdGenerator) -> None:
    asks = [(ASKS[i % 5], i, ADAPTERS[i % 4]) for i in range(6)]
    expected = draw(generator, asks)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda ask: draw(generator, [ask])[0], asks))
    assert all(same(a, b) for a, b in zip(found, expected, strict=True))


def test_noise_in_blocks_hangs_on_the_seed_alone() -> None:
    """A vocabulary so large that a row's numbers are drawn a block at a time."""
    vocabulary, device = 1 << 17, torch.device("cpu")
    noise = GumbelNoise(3, 9, vocabulary, device)
    for row, seed in enumerate((4, 5)):
        noise.start(row, seed, 0, 1.0)
    met = [next_of(noise, 2)[1]]
    noise.start(2, 6, 0, 1.0)
    met += [next_of(noise, 3)[1] for _ in range(4)]
    noise.move(1, 0)
    met += [next_of(noise, 1)[0] for _ in range(4)]
    assert torch.equal(torch.stack(met), noise_of(5, 0, 9, 9, vocabulary))


def test_noise_ahead_is_that_of_the_tokens_when_they_come() -> None:
    """Blocks of four tokens, since fewer would not hold what is looked at ahead."""
    vocabulary, device = 1 << 18, torch.device("cpu")
    noise = GumbelNoise(1, 9, vocabulary, device, widest=4)
    noise.start(0, 5, 0, 1.0)
    met = []
    for drawn in (3, 1, 4, 1):
        met.append(noise.ahead(1, 4)[0, :drawn])
        noise.advance([drawn])
    one_by_one = GumbelNoise(1, 9, vocabulary, device, widest=4)
    one_by_one.start(0, 5, 0, 1.0)
    assert torch.equal(torch.cat(met), torch.cat([next_of(one_by_one, 1) for _ in range(9)]))


@settings(max_examples=40, deadline=None)
@given(tokens=st.integers(1, 40), width=st.integers(1, 16), seed=st.integers(0, 99))
def test_guessing_ahead_ends_where_one_token_a_step_does(
    tokens: int, width: int, seed: int
) -> None:
    """For a function of all tokens before, one that changes with any of them."""
    width = min(width, tokens)

    def after(before: list[int]) -> int:
        return (seed + 7 * sum(before[-3:]) + len(before) // 5) % 5

    expected: list[int] = []
    for _ in range(tokens):
        expected.append(after(expected))
    guesses, drawn, steps = Guesses(1, torch.device("cpu")), [0], 0
    guesses.start(0, 0, guess=9)
    while len(drawn) <= tokens:
        fed = guesses.fed(1, width)[0].tolist()
        assert fed[0] == drawn[-1]
        after_each = [after([*drawn[1:], *fed[1 : n + 1]]) for n in range(width)]
        settled = int(guesses.settle(torch.tensor([after_each])))
        assert 1 <= settled <= width
        drawn += after_each[:settled]
        steps += 1
    assert drawn[1 : tokens + 1] == expected
    assert steps <= tokens


def test_draws_follow_the_probabilities() -> None:
    logits = torch.tensor([[0.7, 0.2, 0.1]]).log()
    noise = GumbelNoise(4000, 1, 3, torch.device("cpu"))
    for row in range(4000):
        noise.start(row, row, 1, 0.5)
    shares = (logits / 2 + next_of(noise, 4000)).argmax(-1).bincount(minlength=3) / 4000
    assert torch.allclose(shares, torch.tensor([0.7, 0.2, 0.1]), atol=0.03)


def test_an_ad_is_the_same_to_a_bit_in_bfloat16_too() -> None:
    half = AdGenerator(tiny_model(), dtype=torch.bfloat16)
    half.new_adapter("left", rank=4, alpha=8)
    asks = [(ask, n, (None, "left")[n % 2]) for n, ask in enumerate(ASKS)]
    together = draw(half, asks)
    assert all(len(d.codes) == TINY.image_tokens for d in together)
    for ask, one in zip(asks, together, strict=True):
        assert same(draw(half, [ask])[0], one)
