"""Parts of the engine by themselves: cache, noise, guesses, and what encodes and decodes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adloom.models import codebook
from adloom.models.batching import batch_briefs
from adloom.models.engine.cache import RowCache
from adloom.models.engine.guesses import WIDEST, fed_next, settled
from adloom.models.engine.history import fast_conditioning
from adloom.models.engine.matmul import Product, fast_dtype
from adloom.models.engine.noise import GumbelNoise
from adloom.models.engine.phrases import Phrases
from adloom.models.engine.picture_decoder import PictureDecoder
from adloom.models.engine.weights import Shape
from tests.tiny_model import TINY, brief, products, tiny_model

FAST = fast_dtype(torch.float32, torch.device("cpu"))


def next_of(noise: GumbelNoise, rows: int) -> torch.Tensor:
    """Noise ``(rows, vocabulary)`` of a token of each of the first rows, which then is drawn."""
    found = noise.ahead(rows, 1)[:, 0]
    noise.advance(torch.ones(rows, dtype=torch.long))
    return found


@pytest.mark.parametrize("fixed", [False, True])
def test_a_row_is_whole_wherever_a_broken_one_was_before(fixed: bool) -> None:
    """Also where the broken one was moved from, and after all rows have ended."""
    shape, device = Shape(width=128, layers=1, heads=2, kv_heads=2, depth=64), torch.device("cpu")
    cache = RowCache(shape, 3, 100, device, torch.float32, fixed=fixed)
    good, queries = torch.randn(1, 2, 2, 20, 64), torch.randn(8, 128)
    broken = torch.full((1, 2, 2, 60, 64), torch.nan)

    def attended(row: int) -> torch.Tensor:
        cache.open_step(row + 1, 4)
        rows = queries.repeat(row + 1, 1)[: 4 * (row + 1)]
        return cache.attend(0, rows, torch.ones(len(rows), 256))[4 * row :]

    for row, prefix in enumerate((good, good, broken)):
        cache.put(row, prefix, 4)
    cache.open_step(3, 4)
    assert cache.remove(0, 2)  # the broken row comes here
    cache.put(2, good, 4)
    assert attended(2).isfinite().all()
    assert cache.remove(2, 2)
    assert not cache.remove(0, 1)
    assert cache.remove(0, 0)
    cache.put(0, good, 4)
    assert attended(0).isfinite().all()


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
        cache.put(0, prefix, 4)
        cache.put(1, torch.randn(1, 2, 2, other, 64).to(dtype), 4)
        cache.open_step(2, 4)
        seen = cache.attend(0, torch.cat([queries] * 2), torch.cat([keys_values] * 2))
        found.append(seen[:4])
    assert all(torch.equal(found[0], one) for one in found[1:])


@pytest.mark.parametrize("dtype", sorted({torch.float32, FAST}, key=str))
@pytest.mark.parametrize("inputs", [64, 256, 640, 1280])
def test_the_product_of_a_row_hangs_on_no_other_row_to_a_bit(
    inputs: int, dtype: torch.dtype
) -> None:
    rng = torch.Generator().manual_seed(0)
    rows, weight = (torch.randn(n, inputs, generator=rng).to(dtype) for n in (130, 256))
    product, other = Product(weight * 0.05), torch.randn(130, 256, generator=rng).to(dtype)
    alone = [product(row[None]) for row in rows]
    more = [product.plus(row[None], one[None]) for row, one in zip(rows, other, strict=True)]
    for many in (2, 31, 32, 33, 64, 65, 130):
        assert torch.equal(product(rows[:many]), torch.cat(alone[:many])), many
        assert torch.equal(product.plus(rows[:many], other[:many]), torch.cat(more[:many])), many


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
    alone = GumbelNoise(1, 9, vocabulary, device)
    alone.start(0, 5, 0, 1.0)
    assert torch.equal(torch.stack(met), torch.stack([next_of(alone, 1)[0] for _ in range(9)]))


def test_noise_ahead_is_that_of_the_tokens_when_they_come() -> None:
    """Blocks of four tokens, since fewer would not hold what is looked at ahead."""
    vocabulary, device = 1 << 18, torch.device("cpu")
    noise = GumbelNoise(1, 9, vocabulary, device, widest=4)
    noise.start(0, 5, 0, 1.0)
    met = []
    for drawn in (3, 1, 4, 1):
        met.append(noise.ahead(1, 4)[0, :drawn])
        noise.advance(torch.tensor([drawn]))
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
    drawn, fed, steps = [0], [0] + [9] * (WIDEST - 1), 0
    while len(drawn) <= tokens:
        assert len(fed) == WIDEST
        assert fed[0] == drawn[-1]
        after_each = [after([*drawn[1:], *fed[1 : n + 1]]) for n in range(width)]
        came_out = torch.tensor([after_each])
        count = settled(torch.tensor([fed[:width]]), came_out)
        assert 1 <= int(count) <= width
        drawn += after_each[: int(count)]
        [fed] = fed_next(came_out, count).tolist()
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


@pytest.mark.parametrize("clicks", [0, 1, 3])
@pytest.mark.parametrize("keep", [None, 1.0])
def test_a_history_is_read_as_the_model_reads_it(clicks: int, keep: float | None) -> None:
    """With padding, which the engine leaves out."""
    model = tiny_model()
    batch = batch_briefs([brief(products()[1], clicks, seed=3)], model.tokenizer, model.config)
    fast = fast_conditioning(model.conditioning, torch.float32)
    with torch.inference_mode():
        codes = model.embed_codes(torch.arange(1024))
        prompt, valid = model.prompt(batch, keep)
        found, found_valid = model.prompt(batch, keep, fast, codes)
    assert torch.equal(valid, found_valid)
    assert torch.allclose(found[valid], prompt[valid], atol=1e-4)


def test_a_picture_is_decoded_as_janus_decodes_it() -> None:
    model = tiny_model()
    codes = torch.randint(0, 1024, (3, TINY.image_tokens))
    expected = codebook.decode(model.janus.model.vqmodel, codes)
    exact, rounded = (PictureDecoder(model, dtype) for dtype in (torch.float32, torch.bfloat16))
    for row, wanted in zip(codes, expected, strict=True):
        assert torch.allclose(exact(row)[0], wanted, atol=1e-5)
        assert (rounded(row)[0] - wanted).abs().mean() < 0.05 * wanted.abs().mean()


def test_a_title_is_guessed_to_go_on_as_the_longest_phrase_that_it_ends_in() -> None:
    phrases = Phrases([[1, 2, 3, 4], [9, 2, 3, 5, 6]], otherwise=0)
    assert phrases.after([2, 3], 2) == [4, 0]
    assert phrases.after([9, 2, 3], 3) == [5, 6, 0]
    assert phrases.after([8, 2], 1) == [3]
    assert phrases.after([7], 2) == [0, 0]
    assert Phrases([], otherwise=5).after([1], 2) == [5, 5]
